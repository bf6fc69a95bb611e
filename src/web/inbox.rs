//! The local inbox of `dev`: what was caught, each message as HTML in a sandboxed frame, as text and as source.

use axum::extract::{Path, Query, State as Shared};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use mail_parser::{Address, Message, MessageParser};

use super::headers::{FRAME_CSP, MAIL_CSP};
use super::{State, context, page};
use crate::digest::{self, Choice, Planned, Press};
use crate::inbox::Caught;
use crate::model::{EmailAddress, Outcome, Subscriber, SubscriberId, Timestamp};
use crate::worker;

/// How many messages the list shows; the newest.
const SHOWN: usize = 200;
/// People who do not exist, with the traits that break templates: a name, none, and one written from right to left.
const SAMPLE_READERS: [(&str, &str); 3] =
    [("ann@example.org", "Ann Example"), ("nameless@example.org", ""), ("dalia@example.org", "داليا")];

/// What the pages show of a message.
#[derive(serde::Serialize)]
struct Shown {
    seq: u64,
    subject: String,
    from: String,
    to: String,
    size: String,
}

/// Which part of a message is shown.
#[derive(serde::Deserialize)]
pub struct Part {
    part: Option<String>,
}

/// What went wrong with the last button, told on the list.
#[derive(serde::Deserialize)]
pub struct Trouble {
    trouble: Option<String>,
}

/// All mail, newest first.
pub async fn list(Shared(state): Shared<State>, Query(query): Query<Trouble>) -> Response {
    let messages = state.inbox.as_ref().map(crate::inbox::Inbox::messages).unwrap_or_default();
    let mails: Vec<Shown> = messages.iter().rev().take(SHOWN).map(|caught| shown(caught)).collect();
    let digests: Vec<&str> = state.desk.config.digests.iter().map(|digest| digest.id.as_str()).collect();
    let mut context = context(&state);
    context.insert("count", &messages.len());
    context.insert("hidden", &messages.len().saturating_sub(SHOWN));
    context.insert("mails", &mails);
    context.insert("digests", &digests);
    context.insert("trouble", &query.trouble.unwrap_or_default());
    page(&state, "web/inbox.html", &context)
}

/// One message.
pub async fn message(Shared(state): Shared<State>, Path(seq): Path<u64>, Query(query): Query<Part>) -> Response {
    let Some(caught) = find(&state, seq) else { return StatusCode::NOT_FOUND.into_response() };
    let part = query.part.unwrap_or_else(|| "html".to_owned());
    let body = match part.as_str() {
        "text" => parse(&caught).and_then(|mail| mail.body_text(0).map(|text| text.into_owned())).unwrap_or_default(),
        "source" => String::from_utf8_lossy(&caught.raw).into_owned(),
        _ => String::new(),
    };
    let mut context = context(&state);
    context.insert("mail", &shown(&caught));
    context.insert("part", &part);
    context.insert("body", &body);
    ([(header::CONTENT_SECURITY_POLICY, FRAME_CSP)], page(&state, "web/message.html", &context)).into_response()
}

/// The HTML part, for the sandboxed frame.
pub async fn html(Shared(state): Shared<State>, Path(seq): Path<u64>) -> Response {
    let Some(caught) = find(&state, seq) else { return StatusCode::NOT_FOUND.into_response() };
    let html = parse(&caught).and_then(|mail| mail.body_html(0).map(|html| html.into_owned())).unwrap_or_default();
    ([(header::CONTENT_SECURITY_POLICY, MAIL_CSP), (header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response()
}

/// The message as it came over the wire.
pub async fn source(Shared(state): Shared<State>, Path(seq): Path<u64>) -> Response {
    let Some(caught) = find(&state, seq) else { return StatusCode::NOT_FOUND.into_response() };
    let name = format!("attachment; filename=\"message-{seq}.eml\"");
    ([(header::CONTENT_TYPE, "message/rfc822".to_owned()), (header::CONTENT_DISPOSITION, name)], caught.raw.clone()).into_response()
}

/// Empties the inbox.
pub async fn clear_post(Shared(state): Shared<State>) -> Response {
    if let Some(inbox) = &state.inbox {
        inbox.clear();
    }
    Redirect::to("/dev/inbox").into_response()
}

/// Delivers a Digest to the sample readers, over real SMTP into the inbox. Nothing is kept in a ledger, so it can be pressed again and again.
pub async fn deliver_post(Shared(state): Shared<State>, Path(id): Path<String>) -> Response {
    match deliver(&state, &id).await {
        Ok(()) => Redirect::to("/dev/inbox").into_response(),
        Err(error) => {
            let trouble: String = url::form_urlencoded::byte_serialize(format!("{error:#}").as_bytes()).collect();
            Redirect::to(&format!("/dev/inbox?trouble={trouble}")).into_response()
        }
    }
}

async fn deliver(state: &State, id: &str) -> anyhow::Result<()> {
    let desk = state.desk.clone();
    let recipe = desk.config.digest(id).ok_or_else(|| anyhow::anyhow!("there is no digest {id}"))?.clone();
    let now = desk.clock.now();
    let (library, _) = worker::library(&desk.config, &desk.store).await?;
    let draft = tokio::task::spawn_blocking(move || -> anyhow::Result<_> {
        match digest::choose(&desk.config, &recipe, &library, &Default::default(), now) {
            Choice::Articles(chosen) => {
                let mut planned = Planned::of(&desk.config, chosen.articles, &recipe.lists);
                worker::for_mail(&mut planned);
                Ok(Press { config: &desk.config, templates: &desk.templates, now }.digest(&recipe, &planned, 1)?)
            }
            Choice::Nothing(reason) => anyhow::bail!("nothing to deliver: {reason}"),
        }
    })
    .await??;
    let list = &draft.new.lists[0];
    let sender = state.desk.sender();
    for (n, (email, name)) in SAMPLE_READERS.iter().enumerate() {
        let mut reader = digest::sample_reader(&draft.new.frozen, Some(sample(n, email, name)?));
        reader.message_id = format!("{}.{n}@example.org", now.0);
        let mut message = Vec::new();
        draft.compiled[list].message(&reader, now, &mut message)?;
        let from = draft.new.frozen.lists[list].from.address.clone();
        match sender.send_one(&from, &reader.subscriber.email, message).await {
            Outcome::Sent(_) => {}
            other => anyhow::bail!("not delivered to {email}: {other:?}"),
        }
    }
    Ok(())
}

fn sample(n: usize, email: &str, name: &str) -> anyhow::Result<Subscriber> {
    Ok(Subscriber {
        id: SubscriberId(n as i64),
        email: EmailAddress::parse(email).map_err(anyhow::Error::msg)?,
        name: (!name.is_empty()).then(|| name.to_owned()),
        attributes: serde_json::Map::new(),
        language: None,
        timezone: None,
        created_at: Timestamp::default(),
    })
}

fn find(state: &State, seq: u64) -> Option<std::sync::Arc<Caught>> {
    state.inbox.as_ref()?.get(seq)
}

fn parse(caught: &Caught) -> Option<Message<'_>> {
    MessageParser::default().parse(&caught.raw)
}

fn shown(caught: &Caught) -> Shown {
    let mail = parse(caught);
    let subject = mail.as_ref().and_then(Message::subject).unwrap_or("(no subject)").to_owned();
    Shown {
        seq: caught.seq,
        subject,
        from: mail.as_ref().and_then(Message::from).map_or_else(|| caught.from.clone(), address),
        to: mail.as_ref().and_then(Message::to).map_or_else(|| caught.rcpts.join(", "), address),
        size: format!("{:.1} KiB", caught.raw.len() as f64 / 1024.0),
    }
}

fn address(address: &Address<'_>) -> String {
    let one = |addr: &mail_parser::Addr<'_>| match (addr.name(), addr.address()) {
        (Some(name), Some(address)) => format!("{name} <{address}>"),
        (_, address) => address.unwrap_or_default().to_owned(),
    };
    address.iter().map(one).collect::<Vec<_>>().join(", ")
}
