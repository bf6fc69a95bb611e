//! `send`: freeze an issue and deliver it.

use super::args::SendArgs;
use super::output::{count, duration, number};
use super::{Context, Exit, Failure, deliver, standing::Standing, suppressions, target, when};
use crate::app::{App, Stopwatch};
use crate::digest::{self, Draft};
use crate::model::{Condition, EmailAddress, Fault, Outcome, Timestamp};
use crate::store::issues::{Audience, NewIssue};

/// Rows of the audience read at a time.
const PAGE: u32 = 1000;

/// Test, dry run, schedule or send, as the flags say.
pub async fn run(context: &Context, args: SendArgs) -> Result<Exit, Failure> {
    let app = context.app().await?;
    let (target, library) = target::find(context, &app, &args.name).await?;
    let lists = target::parse_lists(&app, &args.lists)?;
    let to = args.to.as_deref().map(suppressions::parse).transpose()?;
    let at = args.at.as_deref().map(|text| when::parse(text, app.config.site.timezone, app.clock.now()));
    let at = at.transpose().map_err(|error| Failure::usage(error, "--at \"tomorrow 09:00\""))?;

    let only = args.only.as_deref().map(|text| target::parse_where(&app, text)).transpose()?;

    let mut draft = match target::freeze(&app, &target, &library, &lists, to.is_some()).await? {
        Ok(pressed) => {
            pressed.tell(context);
            pressed.draft
        }
        Err(reason) => return Ok(nothing(context, &args.name, &reason)),
    };
    if let Some(to) = to {
        return test(context, &app, &draft, &to).await;
    }
    target::checked(context, &app, &target, &draft)?;
    // Both hold: the digest's own segment, and that of the command.
    draft.new.only = draft.new.only.into_iter().chain(only).reduce(|one, other| Condition::All(vec![one, other]));
    let audience = app.store.audience(&draft.new, app.clock.now()).await?;
    if args.dry_run {
        return dry_run(context, &app, &draft.new, &audience).await;
    }
    if audience.recipients == 0 {
        let lists: Vec<String> = draft.new.lists.iter().map(ToString::to_string).collect();
        let fault = Fault::error("nobody", format!("nobody on {} would get it{}", lists.join(", "), left_out(&audience)));
        return Err(Failure::new(Exit::Problems, fault.hint("`postrider subscribers add EMAIL --list ID`, or `import FILE --list ID`")));
    }
    if !args.yes {
        agree(context, &draft, &audience)?;
    }
    let at = at.or_else(|| letter_time(&target, app.clock.now()));
    let id = app.store.create_issue(&NewIssue { scheduled_at: at, ..draft.new }, app.clock.now()).await?;
    match at {
        Some(at) => scheduled(context, &app, id, at).await,
        None => deliver::to_the_end(context, &app, id).await,
    }
}

/// The front matter's `send_at`, when it is still ahead.
fn letter_time(target: &target::Target, now: Timestamp) -> Option<Timestamp> {
    match target {
        target::Target::Letter(article) => article.mail.send_at.filter(|at| *at > now),
        target::Target::Digest(_) => None,
    }
}

fn nothing(context: &Context, name: &str, reason: &str) -> Exit {
    if context.out.json {
        context.out.data(&serde_json::json!({"id": null, "status": "nothing", "reason": reason}));
    } else {
        context.out.say(format!("no issue of {name}: {reason}"));
    }
    Exit::Done
}

/// Asks before mailing people; without a terminal `--yes` is needed.
fn agree(context: &Context, draft: &Draft, audience: &Audience) -> Result<(), Failure> {
    context.out.note(format!("subject: {}", draft.new.subject));
    match context.out.ask(&format!("Send to {}?", count(audience.recipients, "reader"))) {
        Some(true) => Ok(()),
        Some(false) => Err(Failure::new(Exit::Problems, Fault::error("not-sent", "nothing was sent"))),
        None => Err(Failure::usage(
            format!("this would mail {}", count(audience.recipients, "reader")),
            "add --yes, or look first with --dry-run",
        )),
    }
}

async fn scheduled(context: &Context, app: &App, id: crate::model::IssueId, at: Timestamp) -> Result<Exit, Failure> {
    if context.out.json {
        context.out.data(&Standing::read(app, id).await?.json());
        return Ok(Exit::Done);
    }
    let zone = app.config.site.timezone;
    let local = at.in_zone(zone).format("%a %-d %b %Y %H:%M");
    let wait = duration(at.since(app.clock.now()));
    context.out.say(format!("scheduled for {local} {} (in {wait}). cancel: postrider issues cancel {}", zone.name(), id.0));
    context.out.note("`postrider run` sends it then");
    Ok(Exit::Done)
}

/// Sends one marked message to one address. Nothing is kept: no Issue, no Delivery.
async fn test(context: &Context, app: &App, draft: &Draft, to: &EmailAddress) -> Result<Exit, Failure> {
    let watch = Stopwatch::start();
    let list = &draft.new.lists[0];
    let compiled = digest::as_test(&draft.new.frozen, list)?;
    let person = app.store.person(to).await?.map(|person| person.subscriber);
    let mut reader = digest::sample_reader(&draft.new.frozen, person);
    reader.subscriber.email = to.clone();
    let unique = format!("{}{to}", app.clock.now().0);
    reader.message_id = deliver::test_message_id(&app.key, &unique, draft.new.frozen.lists[list].from.address.domain());
    let mut message = Vec::new();
    let broken = |error| target::broken(app, draft.new.digest.as_deref(), &compiled, &reader, &error);
    compiled.message(&reader, app.clock.now(), &mut message).map_err(broken)?;
    let from = draft.new.frozen.lists[list].from.address.clone();
    let outcome = deliver::sender(app)?.send_one(&from, to, message).await;
    let exit = match &outcome {
        Outcome::Sent(_) => Exit::Done,
        _ => Exit::Remote,
    };
    let said = deliver::words(&outcome);
    if context.out.json {
        context.out.data(&serde_json::json!({"test": true, "to": to, "sent": u8::from(exit == Exit::Done), "reply": said}));
    } else if exit == Exit::Done {
        context.out.say(format!("sent 1 test message in {}", duration(watch.elapsed())));
    }
    if exit != Exit::Done {
        return Err(Failure::new(
            exit,
            Fault::error("not-sent", format!("the test message was not sent: {said}")).hint("`postrider doctor` looks at the relay"),
        ));
    }
    Ok(exit)
}

async fn dry_run(context: &Context, app: &App, new: &NewIssue, audience: &Audience) -> Result<Exit, Failure> {
    let mut members = Vec::new();
    let mut after = String::new();
    // Named people are for small lists and for --json; the counts come first and are complete.
    loop {
        let page = app.store.audience_members(new, &after, PAGE, app.clock.now()).await?;
        let Some(last) = page.last() else { break };
        after.clone_from(&last.email);
        members.extend(page);
        if !context.out.json && members.len() >= PAGE as usize {
            break;
        }
    }
    if context.out.json {
        let mut data = serde_json::to_value(audience).unwrap_or_default();
        data["dry_run"] = true.into();
        data["members"] = serde_json::to_value(&members).unwrap_or_default();
        context.out.data(&data);
        return Ok(Exit::Done);
    }
    context.out.say(format!("{} would get it{}{}", number(audience.recipients), left_out(audience), pace(app, audience.recipients)));
    for member in &members {
        match &member.left_out {
            None => context.out.say(format!("  gets it  {} ({})", member.email, member.list)),
            Some(why) => context.out.say(format!("  not      {} ({}): {why}", member.email, member.list)),
        }
    }
    if members.len() >= PAGE as usize {
        context.out.say("  …  (all of them: --json)");
    }
    Ok(Exit::Done)
}

/// ", 62 would not (37 opted out, 12 unconfirmed, 9 suppressed)".
fn left_out(audience: &Audience) -> String {
    let parts = [
        (audience.unsubscribed, "opted out"),
        (audience.pending, "unconfirmed"),
        (audience.suppressed, "suppressed"),
        (audience.outside, "outside the segment"),
        (audience.paused, "paused"),
        (audience.later, "not their turn"),
        (audience.off_topic, "other topics"),
    ];
    let total: u64 = parts.iter().map(|(n, _)| n).sum();
    if total == 0 {
        return String::new();
    }
    let said: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, words)| format!("{} {words}", number(*n))).collect();
    format!(", {} would not ({})", number(total), said.join(", "))
}

/// "; about 3 min at 400/min", when the relay has a rate.
fn pace(app: &App, recipients: u64) -> String {
    let Some(rate) = app.config.relays.first().and_then(|relay| relay.rate) else { return String::new() };
    let time = std::time::Duration::from_secs_f64(recipients as f64 / rate.per_second());
    let unit = match rate.per.as_secs() {
        1 => "s",
        60 => "min",
        _ => "h",
    };
    format!("; about {} at {}/{unit}", duration(time), rate.messages)
}
