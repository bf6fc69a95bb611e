//! `links`: the key that signs the links in mails.

use super::args::{LinksAction, LinksArgs};
use super::{Context, Exit, Failure};

/// Renews it.
pub async fn run(context: &Context, args: LinksArgs) -> Result<Exit, Failure> {
    let LinksAction::Renew { yes } = args.action;
    let app = context.app().await?;
    if !yes {
        context.out.note("Links in mails of the key before last and of older ones will only let people leave; view and preferences end.");
        match context.out.ask("Renew the key that signs links?") {
            Some(true) => {}
            Some(false) => return Ok(Exit::Done),
            None => return Err(Failure::usage("renewing the key needs a yes", "add --yes")),
        }
    }
    app.store.renew_link_key().await?;
    context.out.say("new mails carry links of a new key, once every `postrider run` is restarted");
    context.out.note("if the old key has leaked, renew once more: then it is good for leaving only");
    Ok(Exit::Done)
}
