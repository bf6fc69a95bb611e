//! `init`: a new publication in an empty folder.

use std::path::Path;

use super::args::InitArgs;
use super::{Context, Exit, Failure};
use crate::model::Fault;
use crate::{config, content};

/// Asks three questions, writes three files, says what to do next.
pub fn run(context: &Context, args: InitArgs) -> Result<Exit, Failure> {
    refuse_full(&args.dir)?;
    let ask = |given: Option<String>, question: &str, default: &str| {
        given.or_else(|| context.out.ask_text(&format!("{question} [{default}]"), default)).unwrap_or_else(|| default.to_owned())
    };
    let title = ask(args.title, "What is it called?", &default_title(&args.dir));
    let url = ask(args.url, "Where will it live?", "https://example.com");
    let email = ask(args.email, "Which address do its mails come from?", &default_email(&url));
    let zone = std::env::var("TZ").ok().filter(|zone| zone.contains('/')).unwrap_or_else(|| "UTC".to_owned());

    let today = context.clock.now().utc().date_naive();
    let (article, name) = content::scaffold("Hello", today);
    let name = name.trim_start_matches(|c: char| c.is_ascii_digit() || c == '-').to_owned();
    let files = [
        ("config.toml".to_owned(), config::starter(&title, &url, &email, &zone)),
        (
            format!("content/{name}"),
            format!("{article}\nThis is the first article. Write a few lines, save, and look at it in the browser.\n"),
        ),
        (".gitignore".to_owned(), "/public\n/preview\n/postrider.db*\n*.dkim.pem\n".to_owned()),
    ];
    std::fs::create_dir_all(args.dir.join("content"))?;
    for (name, text) in &files {
        std::fs::write(args.dir.join(name), text)?;
    }
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    context.out.say(format!("created {}", names.join(", ")));
    let go = if args.dir == Path::new(".") { String::new() } else { format!("cd {} && ", args.dir.display()) };
    context.out.say(format!("next: {go}postrider dev"));
    Ok(Exit::Done)
}

fn refuse_full(dir: &Path) -> Result<(), Failure> {
    let full = dir.exists() && std::fs::read_dir(dir)?.filter_map(Result::ok).any(|entry| entry.file_name() != ".git");
    if full {
        let fault = Fault::error("not-empty", format!("{} is not empty; nothing was written", dir.display()));
        return Err(Failure::new(Exit::Usage, fault.hint("name a new folder: postrider init my-letter")));
    }
    Ok(())
}

/// `my-letter` → `My Letter`.
fn default_title(dir: &Path) -> String {
    let absolute = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    let name = absolute.file_name().map_or_else(|| "My Letter".to_owned(), |name| name.to_string_lossy().into_owned());
    let words = name.split(['-', '_', ' ']).filter(|word| !word.is_empty()).map(|word| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>()).unwrap_or_default()
    });
    words.collect::<Vec<_>>().join(" ")
}

fn default_email(url: &str) -> String {
    let host = url::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).filter(|host| host.contains('.'));
    format!("letter@{}", host.as_deref().unwrap_or("example.com"))
}
