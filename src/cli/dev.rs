//! `dev`: everything on this machine; mail is caught in a local inbox and nothing leaves.

use std::net::SocketAddr;

use super::args::DevArgs;
use super::output::{count, duration};
use super::{Context, Exit, Failure};
use crate::app::{self, App, Stopwatch};
use crate::config::Config;
use crate::inbox::Inbox;
use crate::model::relay::TlsMode;
use crate::model::{Fault, Relay};
use crate::template;
use crate::worker::{self, Role};

/// Where the inbox listens when the configuration names no relay on this machine.
const INBOX: &str = "127.0.0.1:2525";

/// Serves the site, catches mail, republishes on change, until stopped.
pub async fn run(context: &Context, args: DevArgs) -> Result<Exit, Failure> {
    let watch = Stopwatch::start();
    let mut config = context.config()?;
    if let Some(listen) = args.listen {
        config.listen = listen;
    }
    let inbox = bind_inbox(context, &config).await?;
    confine(&mut config, inbox.addr());
    let templates = template::load(&config.templates_dir)?;
    let feeds: u64 = config.feeds.iter().map(|feed| feed.formats.len() as u64).sum();
    let app = App::open(config, templates, context.clock.clone()).await?;
    let (library, faults) = worker::library(&app.config, &app.store).await?;
    context.out.faults(&faults);
    let articles = library.live(context.clock.now()).count() as u64;
    let out = context.out;
    let listening = |address: SocketAddr| {
        out.say(format!("http://{address}"));
        out.say(format!("mail goes to the local inbox at http://{address}/dev/inbox (SMTP {}; nothing leaves this machine)", inbox.addr()));
        out.say(format!("built {}, {} in {}", count(articles, "article"), count(feeds, "feed"), duration(watch.elapsed())));
        out.note("Ctrl-C stops it");
    };
    app.serve(&[Role::Web], Some(inbox.clone()), app::stop_on_signals(), listening).await?;
    inbox.stop().await;
    Ok(Exit::Done)
}

/// Listens where the configured relay on this machine would be, so that `postrider send` in another window ends up in the inbox;
/// when that is taken, anywhere.
async fn bind_inbox(context: &Context, config: &Config) -> Result<Inbox, Failure> {
    let local = config.relays.iter().find(|relay| matches!(relay.host.as_str(), "127.0.0.1" | "localhost" | "::1"));
    let wanted = local.map_or_else(|| INBOX.to_owned(), |relay| format!("127.0.0.1:{}", relay.port));
    let address: SocketAddr = wanted.parse().map_err(|_| Fault::error("inbox", format!("cannot listen on {wanted}")))?;
    match Inbox::bind(address).await {
        Ok(inbox) => Ok(inbox),
        Err(error) => {
            context.out.note(format!("{address} is taken ({error}); the inbox takes another port"));
            Ok(Inbox::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?)
        }
    }
}

/// Cuts the configuration off from the world: the only relay is the inbox, and links lead to this machine. The store is the publication's own, so that
/// the links of mails sent from another window work; nothing here sends from its ledger.
fn confine(config: &mut Config, inbox: SocketAddr) {
    if let Ok(here) = url::Url::parse(&format!("http://{}/", config.listen)) {
        config.site.url = here;
    }
    config.relays = vec![Relay {
        name: "inbox".to_owned(),
        host: inbox.ip().to_string(),
        port: inbox.port(),
        tls: TlsMode::None,
        user: None,
        password: None,
        connections: 2,
        messages_per_connection: 100,
        rate: None,
        domain_rates: Default::default(),
        domain_connections: Default::default(),
        weight: 1,
        warm_up: None,
        pipelining: true,
        window: 0,
        hello: None,
    }];
}
