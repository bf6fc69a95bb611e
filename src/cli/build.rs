//! `build`: feeds and archive pages as static files.

use super::args::BuildArgs;
use super::output::{count, duration};
use super::{Context, Exit, Failure};
use std::sync::Arc;

use crate::app::{App, Stopwatch};
use crate::{content, feed, template, worker};

/// Publishes what can be read; broken articles are named and make the exit code 3.
pub async fn run(context: &Context, args: &BuildArgs) -> Result<Exit, Failure> {
    let watch = Stopwatch::start();
    let config = context.config()?;
    // Without sources there is nothing in the store that a build needs, and it may run where there is none.
    let (config, (library, faults)) = if config.sources.is_empty() {
        let loaded = content::load(&config);
        (Arc::new(config), loaded)
    } else {
        let templates = template::load(&config.templates_dir)?;
        let app = App::open(config, templates, context.clock.clone()).await?;
        let loaded = worker::library(&app.config, &app.store).await?;
        (app.config.clone(), loaded)
    };
    context.out.faults(&faults);
    let now = context.clock.now();
    let site = feed::publish(&config, &library, now)?;
    let out = if args.out.is_absolute() { args.out.clone() } else { config.root.join(&args.out) };
    let changed = feed::write(&site, &out)?;
    let articles = library.live(now).count() as u64;
    let feeds = config.feeds.iter().map(|feed| feed.formats.len() as u64).sum::<u64>();
    let time = duration(watch.elapsed());
    if context.out.json {
        let data = serde_json::json!({"articles": articles, "feeds": feeds, "files": site.len(), "changed": changed, "errors": faults.errors(), "out": out});
        context.out.data(&data);
    } else {
        let files = format!("{}, {} changed", count(site.len() as u64, "file"), changed);
        context.out.say(format!(
            "built {}, {} in {time}: {} ({files})",
            count(articles, "article"),
            count(feeds, "feed"),
            super::output::path(&out)
        ));
    }
    Ok(if faults.errors() > 0 { Exit::Invalid } else { Exit::Done })
}
