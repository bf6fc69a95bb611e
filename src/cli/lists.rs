//! `lists`: the audiences and how many people are on each.

use super::output::{number, table};
use super::{Context, Exit, Failure};

/// Prints a line a List.
pub async fn run(context: &Context) -> Result<Exit, Failure> {
    let app = context.app().await?;
    let counts = app.store.list_counts().await?;
    if context.out.json {
        context.out.data(&counts);
        return Ok(Exit::Done);
    }
    let mut rows = vec![["list", "confirmed", "pending", "unsubscribed", "name"].map(str::to_owned).to_vec()];
    for row in &counts {
        let name = app.config.list(&row.id).map_or_else(String::new, |list| list.name.clone());
        rows.push(vec![row.id.to_string(), number(row.confirmed), number(row.pending), number(row.unsubscribed), name]);
    }
    context.out.line(table(&rows));
    Ok(Exit::Done)
}
