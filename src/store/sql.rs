//! One SQL text for every engine: values, transactions, and the lists of placeholders that batches need.
//!
//! The engines differ in few fragments only: rows are locked where several processes write ([`Tx::locked`], [`Tx::claimed`]),
//! leases are measured on the store's clock ([`Tx::clock`]), and segments look into JSON, capitals and numbers ([`Tx::attribute`]).

use std::borrow::Cow;
use std::fmt::Write as _;

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, FromRow, PgPool, Postgres, Sqlite, SqlitePool, Transaction};

use super::Result;
use crate::model::{DeliveryState, IssueId, ListId, SubscriberId, Timestamp};

/// Most values in one list of placeholders, where some of a statement's are out of order (see [`unnumbered`]).
pub(super) const CHUNK: usize = 64;
/// Most values in one list of placeholders that are all used once and in order.
pub(super) const CHUNK_IN_ORDER: usize = 512;

/// Runs `$body` with `$sql` as the engine wants it, `$connection` its own connection and `Db` its type: the only place that tells engines apart.
macro_rules! on_engine {
    ($tx:expr, $sql:ident, $connection:ident => $body:expr) => {
        match $tx {
            Tx::Sqlite(transaction) => {
                type Db = Sqlite;
                let $sql = AssertSqlSafe(unnumbered($sql.into()));
                let $connection = &mut **transaction;
                $body
            }
            Tx::Postgres(transaction, _) => {
                type Db = Postgres;
                let sql: Cow<'static, str> = $sql.into();
                let $sql = AssertSqlSafe(sql);
                let $connection = &mut **transaction;
                $body
            }
        }
    };
}

/// Binds `$args` to `$query` in order.
macro_rules! bound {
    ($query:expr, $args:expr) => {{
        let mut query = $query;
        for arg in $args {
            query = match arg {
                Value::Int(value) => query.bind(value),
                Value::Text(value) => query.bind(value.map(without_nul)),
            };
        }
        query
    }};
}

/// The values of a statement, in order: `args![issue, now]`.
macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::store::sql::Value::from($value)),*] };
}
pub(super) use args;

/// A value of a statement. Nulls keep their type, because PostgreSQL asks for it.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// BIGINT.
    Int(Option<i64>),
    /// TEXT.
    Text(Option<String>),
}

macro_rules! int_from {
    ($($kind:ty: |$value:ident| $int:expr;)*) => {
        $(impl From<$kind> for Value {
            fn from($value: $kind) -> Self {
                Self::Int(Some($int))
            }
        }
        impl From<Option<$kind>> for Value {
            fn from(value: Option<$kind>) -> Self {
                Self::Int(value.map(|$value| $int))
            }
        })*
    };
}
int_from! {
    i64: |value| value;
    u32: |value| i64::from(value);
    usize: |value| i64::try_from(value).unwrap_or(i64::MAX);
    bool: |value| i64::from(value);
    Timestamp: |value| value.0;
    IssueId: |value| value.0;
    SubscriberId: |value| value.0;
    DeliveryState: |value| value.code();
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(Some(value.to_owned()))
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(Some(value))
    }
}

impl From<&ListId> for Value {
    fn from(value: &ListId) -> Self {
        value.as_str().into()
    }
}

impl From<Option<&str>> for Value {
    fn from(value: Option<&str>) -> Self {
        Self::Text(value.map(str::to_owned))
    }
}

impl From<Option<String>> for Value {
    fn from(value: Option<String>) -> Self {
        Self::Text(value)
    }
}

/// PostgreSQL keeps no NUL in a text; a relay's reply may hold one, and must not stop the commit that records it.
fn without_nul(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

/// What a row of any engine can become: a tuple, or a struct that derives `FromRow`.
pub(super) trait Readable: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}
impl<T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin> Readable for T {}

/// Whose clock leases are measured on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeaseClock {
    /// That of the caller, who is the only one.
    Caller,
    /// That of the database, because the clocks of several machines differ.
    Database,
}

/// The pools of the engine in use.
#[derive(Debug, Clone)]
pub(super) enum Engine {
    /// One connection writes, a few read. One process sends.
    Sqlite {
        /// The one that writes.
        write: SqlitePool,
        /// Those that read.
        read: SqlitePool,
    },
    /// Any number of processes write and send.
    Postgres(PgPool, LeaseClock),
}

impl Engine {
    /// A transaction that will write. On SQLite it waits for the writer at its start, never in its middle; on PostgreSQL every statement
    /// sees what was committed before it, so what must not change meanwhile is locked first (see [`Tx::locked`]).
    pub(super) async fn write(&self) -> Result<Tx> {
        match self {
            Self::Sqlite { write, .. } => Ok(Tx::Sqlite(write.begin_with("BEGIN IMMEDIATE").await?)),
            Self::Postgres(pool, clock) => Ok(Tx::Postgres(pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await?, *clock)),
        }
    }

    /// A transaction that reads one consistent state. Dropping it ends it.
    pub(super) async fn read(&self) -> Result<Tx> {
        match self {
            Self::Sqlite { read, .. } => Ok(Tx::Sqlite(read.begin().await?)),
            Self::Postgres(pool, clock) => {
                Ok(Tx::Postgres(pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?, *clock))
            }
        }
    }

    /// Whether other processes may send from this store too.
    pub(super) const fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres(..))
    }

    /// Has PostgreSQL look at how big the tables have become, which it otherwise does a minute or more later: until then it plans as if they were
    /// empty, and every commit reads a whole Issue. SQLite's plans do not depend on it.
    pub(super) async fn learn_sizes(&self) {
        let Self::Postgres(pool, _) = self else { return };
        if let Err(error) = sqlx::query("ANALYZE deliveries, subscriptions, subscribers").execute(pool).await {
            tracing::debug!("the sizes of the tables are not known yet: {error}");
        }
    }

    /// Closes every connection.
    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite { write, read } => {
                read.close().await;
                write.close().await;
            }
            Self::Postgres(pool, _) => pool.close().await,
        }
    }
}

/// An open transaction; dropped without [`Tx::commit`] it leaves no trace.
pub(super) enum Tx {
    /// On SQLite.
    Sqlite(Transaction<'static, Sqlite>),
    /// On PostgreSQL.
    Postgres(Transaction<'static, Postgres>, LeaseClock),
}

impl Tx {
    /// Runs a statement; gives how many rows it changed.
    pub(super) async fn run(&mut self, sql: impl Into<Cow<'static, str>>, args: Vec<Value>) -> Result<u64> {
        Ok(on_engine!(self, sql, connection => bound!(sqlx::query::<Db>(sql), args).execute(connection).await?.rows_affected()))
    }

    /// All rows of a query.
    pub(super) async fn rows<T: Readable>(&mut self, sql: impl Into<Cow<'static, str>>, args: Vec<Value>) -> Result<Vec<T>> {
        Ok(on_engine!(self, sql, connection => bound!(sqlx::query_as::<Db, T>(sql), args).fetch_all(connection).await?))
    }

    /// The first row of a query, if any.
    pub(super) async fn row<T: Readable>(&mut self, sql: impl Into<Cow<'static, str>>, args: Vec<Value>) -> Result<Option<T>> {
        Ok(on_engine!(self, sql, connection => bound!(sqlx::query_as::<Db, T>(sql), args).fetch_optional(connection).await?))
    }

    /// Takes `n` fresh numbers of a kind; gives the first.
    pub(super) async fn numbers(&mut self, kind: &'static str, n: usize) -> Result<i64> {
        let sql = "UPDATE counters SET next = next + $2 WHERE name = $1 RETURNING next";
        let (next,): (i64,) = self.row(sql, args![kind, n]).await?.ok_or(sqlx::Error::RowNotFound)?;
        Ok(next - i64::try_from(n).unwrap_or(i64::MAX))
    }

    /// Makes it durable.
    pub(super) async fn commit(self) -> Result<()> {
        match self {
            Self::Sqlite(transaction) => Ok(transaction.commit().await?),
            Self::Postgres(transaction, _) => Ok(transaction.commit().await?),
        }
    }

    /// Behind a `SELECT`: nobody changes its rows before this transaction ends. On SQLite nobody can anyhow.
    pub(super) const fn locked(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "",
            Self::Postgres(..) => " FOR UPDATE",
        }
    }

    /// The same, but others may hold the rows in this way too.
    pub(super) const fn held(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "",
            Self::Postgres(..) => " FOR SHARE",
        }
    }

    /// Behind a `SELECT` of rows to claim: takes only those that no other transaction is taking.
    pub(super) const fn claimed(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "",
            Self::Postgres(..) => " FOR UPDATE SKIP LOCKED",
        }
    }

    /// The function that gives the largest of its arguments.
    pub(super) const fn greatest(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "MAX",
            Self::Postgres(..) => "GREATEST",
        }
    }

    /// The instant that leases are measured at: the caller's, which is `placeholder`, or the database's own.
    pub(super) const fn clock(&self, placeholder: &'static str) -> &'static str {
        match self {
            Self::Postgres(_, LeaseClock::Database) => "CAST(EXTRACT(EPOCH FROM statement_timestamp()) * 1000000 AS BIGINT)",
            _ => placeholder,
        }
    }
}

/// What segments look into.
impl Tx {
    /// How an attribute is named to [`Tx::attribute`]. No name in a segment has a quote or a backslash.
    pub(super) fn attribute_path(&self, key: &str) -> String {
        match self {
            Self::Sqlite(_) => format!("$.\"{key}\""),
            Self::Postgres(..) => key.to_owned(),
        }
    }

    /// The attribute at the path in `placeholder` as text, with `true` and `false` as words; NULL when it is not there.
    pub(super) fn attribute(&self, column: &str, placeholder: &str) -> String {
        match self {
            Self::Sqlite(_) => format!(
                "CASE json_type({column}, {placeholder}) WHEN 'true' THEN 'true' WHEN 'false' THEN 'false'
                 ELSE CAST(json_extract({column}, {placeholder}) AS TEXT) END"
            ),
            Self::Postgres(..) => format!("(CAST({column} AS JSON) ->> {placeholder})"),
        }
    }

    /// A text with the capitals of a-z made small, and compared byte by byte.
    pub(super) fn folded(&self, text: &str) -> String {
        match self {
            Self::Sqlite(_) => format!("lower({text})"),
            Self::Postgres(..) => format!("lower({text} COLLATE \"C\")"),
        }
    }

    /// The number that the text of a column is: `-12`, `3.5`, of at most 30 signs; NULL for any other text.
    pub(super) fn number(&self, column: &str) -> String {
        let is_number = match self {
            Self::Sqlite(_) => format!(
                "({column} GLOB '[0-9]*' OR {column} GLOB '-[0-9]*') AND substr({column}, 2) NOT GLOB '*[^0-9.]*'
                 AND {column} NOT GLOB '*.*.*' AND {column} NOT GLOB '*.'"
            ),
            Self::Postgres(..) => format!("{column} ~ '^-?[0-9]+(\\.[0-9]+)?$'"),
        };
        format!("CASE WHEN length({column}) <= 30 AND {is_number} THEN CAST({column} AS DOUBLE PRECISION) END")
    }
}

/// SQLite finds a numbered placeholder by a walk over all of them, so that binding grows with the square of their number.
/// Where each is used once and in order, a bare `?` means the same and is found at once.
fn unnumbered(sql: Cow<'static, str>) -> Cow<'static, str> {
    let mut parts = sql.split('$');
    let mut text = String::with_capacity(sql.len());
    text.push_str(parts.next().unwrap_or_default());
    for (n, part) in (1_usize..).zip(parts) {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
        if part[..part.len() - rest.len()].parse() != Ok(n) {
            return sql;
        }
        text.push('?');
        text.push_str(rest);
    }
    text.into()
}

/// Appends `values` to `args` and gives their placeholders, `$3, $4`, for an `IN (…)`. The list is padded with its last value
/// to a power of two, so that few different statements exist and each stays prepared.
pub(super) fn in_list<V: Into<Value>>(args: &mut Vec<Value>, values: impl IntoIterator<Item = V>) -> String {
    let start = args.len();
    args.extend(values.into_iter().map(Into::into));
    let count = (args.len() - start).next_power_of_two();
    if let Some(last) = args.get(start..).and_then(<[Value]>::last).cloned() {
        args.resize(start + count, last);
    } else {
        args.push(Value::Int(None));
    }
    let mut text = String::with_capacity(count * 6);
    for n in start + 1..=args.len() {
        let _ = write!(text, "{}${n}", if n > start + 1 { ", " } else { "" });
    }
    text
}

/// Appends `rows` to `args` and gives their placeholders, `($3, $4), ($5, $6)`, for a `VALUES`, each with its type
/// (PostgreSQL takes an untyped one in a CTE for text).
pub(super) fn value_rows<const N: usize>(args: &mut Vec<Value>, rows: impl IntoIterator<Item = [Value; N]>) -> String {
    let mut text = String::new();
    for row in rows {
        text.push_str(if text.is_empty() { "(" } else { ", (" });
        for (i, value) in row.into_iter().enumerate() {
            let kind = if matches!(value, Value::Int(_)) { "BIGINT" } else { "TEXT" };
            args.push(value);
            let _ = write!(text, "{}CAST(${} AS {kind})", if i > 0 { ", " } else { "" }, args.len());
        }
        text.push(')');
    }
    text
}

/// Cuts `rows` into pieces whose lengths are powers of two, at most `most`: again so that few different statements exist.
pub(super) fn pieces<T>(mut rows: &[T], most: usize) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        if rows.is_empty() {
            return None;
        }
        let length = (rows.len().min(most) / 2 + 1).next_power_of_two().min(most);
        let (piece, rest) = rows.split_at(length.min(rows.len()));
        rows = rest;
        Some(piece)
    })
}
