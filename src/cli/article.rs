//! `import`: a page of the web, or a file, as an article to edit.

use super::args::ImportArticleArgs;
use super::feeds::{Document, document};
use super::{Context, Exit, Failure};
use crate::content::{self, NewArticle};
use crate::import::{self, pages, reader};
use crate::model::Fault;

/// Finds the article, and writes it into content/ as Markdown with front matter.
pub async fn run(context: &Context, args: ImportArticleArgs) -> Result<Exit, Failure> {
    let found = document(context, &args.target, args.base.as_ref()).await?;
    let page = extract(&found, &args.target)?;
    if args.dry_run {
        dry(context, &page);
        return Ok(Exit::Done);
    }
    let config = context.config()?;
    let date = page.published.as_deref().and_then(reader::parse_date).map(|at| at.date_naive());
    let article = NewArticle {
        title: page.title.clone(),
        date: date.unwrap_or_else(|| context.clock.now().in_zone(config.site.timezone).date_naive()),
        description: import::summary(&page),
        authors: page.author.iter().cloned().collect(),
        canonical_url: page.canonical.as_ref().or(found.base.as_ref()).map(url::Url::to_string),
        language: page.language.clone().filter(|language| !language.eq_ignore_ascii_case(&config.site.language)),
        body: page.markdown.clone(),
    };
    let (text, name) = content::file_of(&article);
    let file = config.content_dir.join(name);
    if file.exists() {
        let message = format!("{} is there already; nothing was written", super::output::path(&file));
        return Err(Failure::new(Exit::Problems, Fault::error("exists", message).hint("rename that file, or remove it")));
    }
    std::fs::create_dir_all(&config.content_dir)?;
    std::fs::write(&file, text)?;
    if context.out.json {
        context.out.data(&serde_json::json!({"file": file, "title": page.title}));
    } else {
        context.out.say(format!("created {}", super::output::path(&file)));
        context.out.note("look it over: its words are someone else's");
    }
    Ok(Exit::Done)
}

fn extract(document: &Document, target: &str) -> Result<pages::Page, Failure> {
    let is_feed = reader::read(&document.bytes, document.content_type.as_deref(), None).is_ok_and(|feed| !feed.entries.is_empty());
    if is_feed && pages::looks_like(&document.bytes, document.content_type.as_deref()) == pages::Kind::Feed {
        let fault = Fault::error("no-article", format!("{target}: this is a feed and no page"));
        return Err(Failure::new(
            Exit::Invalid,
            fault.hint("look at it with: postrider sources read; bring it in with: postrider sources add"),
        ));
    }
    let found = pages::extract(&document.bytes, document.content_type.as_deref(), document.base.as_ref());
    found.map_err(|error| {
        let fault = Fault::error("no-article", format!("{target}: {error}"));
        Failure::new(Exit::Invalid, fault)
    })
}

/// What the extractor did.
fn dry(context: &Context, page: &pages::Page) {
    let date =
        |text: &Option<String>| text.as_deref().map(|text| reader::parse_date(text).map_or_else(|| text.to_owned(), |at| at.to_rfc3339()));
    let published = date(&page.published);
    if context.out.json {
        let canonical = page.canonical.as_ref().map(url::Url::as_str);
        context.out.data(&serde_json::json!({
            "title": page.title, "author": page.author, "published": published, "canonical": canonical,
            "html": page.html, "markdown": page.markdown, "text": page.text,
        }));
        return;
    }
    context.out.line(format!("title      {}", page.title));
    context.out.line(format!("author     {}", page.author.as_deref().unwrap_or("-")));
    context.out.line(format!("published  {}", published.as_deref().unwrap_or("-")));
    context.out.line(format!("address    {}\n", page.canonical.as_ref().map_or("-", url::Url::as_str)));
    context.out.line(&page.markdown);
}
