//! `run`: the service.

use super::args::RunArgs;
use super::{Context, Exit, Failure};
use crate::app;
use crate::worker::Role;

/// Runs until SIGTERM or SIGINT, then drains.
pub async fn run(context: &Context, args: &RunArgs) -> Result<Exit, Failure> {
    let roles = args.roles.iter().map(|name| parse_role(name)).collect::<Result<Vec<_>, _>>()?;
    if roles.iter().all(|role| matches!(role, Role::Bounce)) {
        let hint = "this version does web, schedule, fetch and send; bounce is taken with them and does nothing yet";
        return Err(Failure::usage(format!("there is nothing to do for {}", args.roles.join(", ")), hint));
    }
    // Before the store is opened, which may take a moment: whoever stops the service meanwhile wants a clean end too.
    let stop = app::stop_on_signals();
    let app = context.app().await?;
    tracing::info!(roles = args.roles.join(","), "postrider is up");
    app.serve(&roles, None, stop, |address| tracing::info!("listening on http://{address}")).await?;
    tracing::info!("drained; nothing is in doubt");
    Ok(Exit::Done)
}

fn parse_role(name: &str) -> Result<Role, Failure> {
    let found = Role::ALL.iter().find(|(word, _)| *word == name).map(|(_, role)| *role);
    let known: Vec<&str> = Role::ALL.iter().map(|(word, _)| *word).collect();
    found.ok_or_else(|| Failure::usage(format!("there is no role `{name}`"), format!("roles: {}", known.join(", "))))
}
