//! `build`: feeds and archive pages as static files.

use super::args::BuildArgs;
use super::output::{count, duration};
use super::{Context, Exit, Failure};
use crate::app::Stopwatch;
use crate::{content, feed};

/// Publishes what can be read; broken articles are named and make the exit code 3.
pub fn run(context: &Context, args: &BuildArgs) -> Result<Exit, Failure> {
    let watch = Stopwatch::start();
    let config = context.config()?;
    let (library, faults) = content::load(&config);
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
