//! `check`: every fault in config, content, templates and digests, in one go.

use super::output::duration;
use super::{Context, Exit, Failure, report};
use crate::app::Stopwatch;
use crate::config::Config;
use crate::digest::{self, Choice, Planned, Press};
use crate::model::{Digest, Fault, Faults, Library};
use crate::{content, feed, preflight, template};

/// Looks at everything; exit 3 when there are errors.
pub fn run(context: &Context) -> Result<Exit, Failure> {
    let watch = Stopwatch::start();
    let config_file = &context.config_file;
    let faults = match Config::load(config_file, std::env::vars()) {
        Ok((config, mut faults)) => {
            look(context, &config, &mut faults);
            faults
        }
        Err(faults) => faults,
    };
    if context.out.json {
        context.out.data(&faults);
    } else {
        context.out.faults(&faults);
    }
    context.out.say(format!("{} in {}", report::summary(&faults), duration(watch.elapsed())));
    Ok(if faults.errors() > 0 { Exit::Invalid } else { Exit::Done })
}

fn look(context: &Context, config: &Config, faults: &mut Faults) {
    let (library, found) = content::load(config);
    faults.0.extend(found.0);
    let now = context.clock.now();
    if let Err(found) = feed::publish(config, &library, now) {
        faults.0.extend(found.0);
    }
    let templates = match template::load(&config.templates_dir) {
        Ok(templates) => templates,
        Err(found) => return faults.0.extend(found.0),
    };
    let press = Press { config, templates: &templates, now };
    for recipe in &config.digests {
        let Choice::Articles(chosen) = digest::choose(config, recipe, &library, &Default::default(), now) else {
            faults.0.extend(without_articles(&press, recipe, &library).0);
            continue;
        };
        match press.digest(recipe, &Planned::of(config, chosen.articles, &recipe.lists), 1) {
            Ok(draft) => {
                faults.0.extend(draft.lints.0);
                faults.0.extend(preflight::check(config, &draft.new.frozen, &draft.sample).0);
            }
            Err(found) => faults.0.extend(found.0),
        }
    }
    faults.0.sort_by_key(place);
    faults.0.dedup();
}

/// What is wrong with a digest that no article of content/ fits, as one of sources alone: any article will do to try its templates.
fn without_articles(press: &Press<'_>, recipe: &Digest, library: &Library) -> Faults {
    let any = Digest { tags: Vec::new(), sources: Vec::new(), authors: Vec::new(), min: 1, ..recipe.clone() };
    let tried = match digest::choose(press.config, &any, library, &Default::default(), press.now) {
        Choice::Articles(chosen) => press.digest(recipe, &Planned::of(press.config, chosen.articles, &recipe.lists), 1).map(drop),
        Choice::Nothing(_) => press.parses(recipe),
    };
    tried.err().unwrap_or_default()
}

/// Faults are shown file by file, from the top; those without a file come last.
fn place(fault: &Fault) -> (bool, std::path::PathBuf, usize) {
    fault.place.as_ref().map_or((true, Default::default(), 0), |place| (false, place.file.clone(), place.line))
}
