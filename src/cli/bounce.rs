//! `bounce`: mail that comes to us, handed over by the mail server on standard input, or as files.

use std::fs::File;
use std::path::PathBuf;

use super::args::BounceArgs;
use super::{Context, Exit, Failure};
use crate::app::App;
use crate::bounce::{Head, Verdict, judge, read_head};
use crate::model::{EmailAddress, Fault};
use crate::subscribe;

/// What became of one message.
#[derive(Debug, serde::Serialize)]
struct Done {
    /// The file; `-` is standard input.
    message: String,
    /// `left`, or `nothing`.
    done: &'static str,
    /// Who left, by number: an address has no place in a mail server's log.
    #[serde(skip_serializing_if = "Option::is_none")]
    subscriber: Option<i64>,
    /// Which List.
    #[serde(skip_serializing_if = "Option::is_none")]
    list: Option<String>,
    /// Why nothing was done, or that it was so already.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'static str>,
}

/// Reads and acts. A message that means nothing to us is taken all the same (0): a mail server that is told of a failure answers whoever wrote,
/// and a program on the other side may answer that. What cannot be done just now is tried again by the server.
pub async fn run(context: &Context, args: BounceArgs) -> Result<Exit, Failure> {
    match all(context, &args.files).await {
        Err(failure) if args.files.is_empty() => Err(Failure { exit: Exit::TryAgain, ..failure }),
        ended => ended,
    }
}

async fn all(context: &Context, files: &[PathBuf]) -> Result<Exit, Failure> {
    let mut messages = Vec::new();
    if files.is_empty() {
        messages.push(("-".to_owned(), read_head(std::io::stdin().lock())?));
    }
    for file in files {
        let unreadable = |error: std::io::Error| Fault::error("file", format!("cannot read {}: {error}", file.display()));
        let head = File::open(file).and_then(read_head).map_err(|error| Failure::new(Exit::Usage, unreadable(error)))?;
        messages.push((file.display().to_string(), head));
    }
    let app = context.app().await?;
    let Some(leave_at) = app.config.leave_at.clone() else {
        let fault =
            Fault::error("no-address", "config.toml names no address for leaving").hint("add [bounce] unsubscribe = \"leave@example.com\"");
        return Err(fault.into());
    };
    let mut said = Vec::new();
    for (message, head) in messages {
        said.extend(one(&app, &message, &head, &leave_at).await?);
    }
    if context.out.json {
        context.out.data(&said);
    }
    for done in said.iter().filter(|_| !context.out.json) {
        context.out.say(sentence(done));
    }
    Ok(Exit::Done)
}

/// Does what one message wants; it may have been written to several addresses of ours.
async fn one(app: &App, message: &str, head: &Head, leave_at: &EmailAddress) -> Result<Vec<Done>, Failure> {
    let nothing = |why| Done { message: message.to_owned(), done: "nothing", subscriber: None, list: None, why: Some(why) };
    let tokens = match judge(head, leave_at) {
        Verdict::Leave(tokens) => tokens,
        Verdict::Nothing(why) => return Ok(vec![nothing(why)]),
    };
    let mut done = Vec::new();
    for token in tokens {
        done.push(match subscribe::unsubscribe_by_mail(&app.store, &app.key, &token, app.clock.now()).await? {
            Some(left) => Done {
                message: message.to_owned(),
                done: "left",
                subscriber: Some(left.subscriber.id.0),
                list: Some(left.list.to_string()),
                why: (!left.changed).then_some("it was so already"),
            },
            None => nothing("the token is not ours, or the person is gone"),
        });
    }
    Ok(done)
}

fn sentence(done: &Done) -> String {
    let why = done.why.map(|why| format!(": {why}")).unwrap_or_default();
    match (&done.subscriber, &done.list) {
        (Some(subscriber), Some(list)) => format!("{}: subscriber {subscriber} has left {list}{why}", done.message),
        _ => format!("{}: nothing done{why}", done.message),
    }
}
