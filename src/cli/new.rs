//! `new`: an article file with front matter.

use super::args::NewArgs;
use super::{Context, Exit, Failure};
use crate::content;
use crate::model::Fault;

/// Writes the file, unless there is one.
pub fn run(context: &Context, args: &NewArgs) -> Result<Exit, Failure> {
    let config = context.config()?;
    if args.title.trim().is_empty() {
        return Err(Failure::usage("a title cannot be empty", "postrider new \"First issue\""));
    }
    let today = context.clock.now().in_zone(config.site.timezone).date_naive();
    let (text, name) = content::scaffold(&args.title, today);
    let file = config.content_dir.join(name);
    if file.exists() {
        let message = format!("{} is there already; nothing was written", super::output::path(&file));
        return Err(Failure::new(Exit::Problems, Fault::error("exists", message).hint("choose another title")));
    }
    std::fs::create_dir_all(&config.content_dir)?;
    std::fs::write(&file, text)?;
    context.out.say(format!("created {}", super::output::path(&file)));
    Ok(Exit::Done)
}
