//! `preview`: the next issue as one reader would get it.

use super::args::PreviewArgs;
use super::output::kib;
use super::{Context, Exit, Failure, suppressions, target};
use crate::digest;
use crate::model::Fault;

/// Gmail clips a mail whose HTML is larger than this.
const CLIPPED_AT: usize = 102 * 1024;

/// Writes issue.html, issue.txt and issue.eml and prints their sizes. Where nothing new is due, articles that went out before are shown,
/// and that is said.
pub async fn run(context: &Context, args: PreviewArgs) -> Result<Exit, Failure> {
    let app = context.app().await?;
    let (target, library) = target::find(context, &app, &args.name).await?;
    let pressed = match target::freeze(&app, &target, &library, &[], true).await? {
        Ok(pressed) => pressed,
        Err(reason) => {
            context.out.say(format!("nothing to preview: {reason}"));
            return Ok(Exit::Problems);
        }
    };
    pressed.tell(context);
    let draft = &pressed.draft;
    context.out.faults(&draft.lints);
    let person = match &args.reader {
        None => None,
        Some(text) => {
            let email = suppressions::parse(text)?;
            let person = app.store.person(&email).await?;
            let missing =
                || Fault::error("unknown-subscriber", format!("{email} is not a subscriber")).hint("see `postrider subscribers list`");
            Some(person.ok_or_else(|| Failure::new(Exit::Problems, missing()))?.subscriber)
        }
    };
    let list = &draft.new.lists[0];
    let compiled = &draft.compiled[list];
    let reader = digest::sample_reader(&draft.new.frozen, person);
    let broken = |error| target::broken(&app, draft.new.digest.as_deref(), compiled, &reader, &error);
    let rendered = compiled.render(&reader).map_err(broken)?;
    let mut message = Vec::new();
    compiled.message(&reader, context.clock.now(), &mut message).map_err(broken)?;

    std::fs::create_dir_all(&args.out)?;
    let files = [("issue.html", rendered.html.as_bytes()), ("issue.txt", rendered.text.as_bytes()), ("issue.eml", &message)];
    for (name, bytes) in files {
        std::fs::write(args.out.join(name), bytes)?;
    }
    if context.out.json {
        let sizes: serde_json::Map<_, _> = files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.len().into())).collect();
        context.out.data(&serde_json::json!({
            "subject": rendered.subject, "preheader": rendered.preheader, "not_due": pressed.not_due, "out": args.out, "bytes": sizes,
        }));
        return Ok(Exit::Done);
    }
    context.out.say(format!("subject    {}", rendered.subject));
    context.out.say(format!("preheader  {}", rendered.preheader));
    context.out.say(format!("html       {} of {}  {}", kib(rendered.html.len()), kib(CLIPPED_AT), args.out.join("issue.html").display()));
    context.out.say(format!("text       {}  {}", kib(rendered.text.len()), args.out.join("issue.txt").display()));
    context.out.say(format!("message    {}  {}", kib(message.len()), args.out.join("issue.eml").display()));
    Ok(Exit::Done)
}
