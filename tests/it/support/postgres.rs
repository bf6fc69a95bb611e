//! A PostgreSQL server of the tests' own: in a folder of its own, on a free port of loopback, gone with the tests however they end.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

/// Stops the server and removes its folder when its own input ends, which is when the test that holds the other end does, also by a signal.
const WATCH: &str = r#"cat >/dev/null; "$1/pg_ctl" stop --silent -m immediate -D "$2" >/dev/null 2>&1; rm -rf "$3""#;

/// A running server. Everybody may log in as `postgres`; as `walled` only with the password `open sesame`.
pub struct Postgres {
    folder: PathBuf,
    port: u16,
    databases: AtomicU32,
    watch: Child,
}

impl Postgres {
    /// The server that the tests of one process share; made at first use.
    pub fn shared() -> &'static Self {
        static SERVER: OnceLock<Postgres> = OnceLock::new();
        SERVER.get_or_init(Self::start)
    }

    /// A server of one's own, that may be ill-treated.
    pub fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("postrider-pg-").tempdir_in("/tmp").unwrap().keep();
        if is_root() {
            let user = Command::new("chown").arg("postgres").arg(&folder).status().unwrap();
            assert!(user.success(), "there is no user `postgres` to run the server as: run scripts/setup");
        }
        let watch = ["-c", WATCH, "watch"].map(PathBuf::from).into_iter().chain([bin(), folder.join("data"), folder.clone()]);
        let watch = as_user("sh").args(watch).stdin(Stdio::piped()).spawn().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Self { folder, port, databases: AtomicU32::new(0), watch };
        let data = server.data();
        server.tool("initdb", &["--no-sync", "--auth=trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "-D", &data]);
        let options = format!(
            "\nport = {port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\nmax_connections = 200\nfsync = on\n\
             lc_messages = 'C'\n"
        );
        append(&Path::new(&data).join("postgresql.conf"), &options);
        let rules = "host all walled 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n";
        fs::write(Path::new(&data).join("pg_hba.conf"), rules).unwrap();
        server.control(&["start"]);
        server.sql("postgres", "CREATE ROLE walled LOGIN PASSWORD 'open sesame'");
        server
    }

    /// A new, empty database: its address.
    pub fn database(&self) -> String {
        let name = format!("t{}", self.databases.fetch_add(1, SeqCst));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.url("postgres", &name)
    }

    /// The address of a database for a user.
    pub fn url(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/{database}", self.port)
    }

    /// Ends every session without a word and every transaction without a trace, and comes back.
    pub fn restart_at_once(&self) {
        self.control(&["restart", "-m", "immediate"]);
    }

    /// Ends every session without a word; [`Postgres::come_back`] undoes it.
    pub fn stop_at_once(&self) {
        self.control(&["stop", "-m", "immediate"]);
    }

    /// Starts again.
    pub fn come_back(&self) {
        self.control(&["start"]);
    }

    /// Writes a database to a file of the server's folder, as a backup does.
    pub fn dump(&self, database: &str, file: &str) {
        self.tool("pg_dump", &["-d", &self.url("postgres", database), "-f", &self.folder.join(file).display().to_string()]);
    }

    /// Puts it back: the database is made anew from the file.
    pub fn put_back(&self, database: &str, file: &str) {
        self.sql("postgres", &format!("DROP DATABASE {database}"));
        self.sql("postgres", &format!("CREATE DATABASE {database}"));
        let file = self.folder.join(file).display().to_string();
        self.tool("psql", &["-qX", "-v", "ON_ERROR_STOP=1", "-d", &self.url("postgres", database), "-f", &file]);
    }

    /// What a statement answers, one line a row.
    pub fn sql(&self, database: &str, statement: &str) -> String {
        self.tool("psql", &["-qtAX", "-v", "ON_ERROR_STOP=1", "-d", &self.url("postgres", database), "-c", statement])
    }

    fn control(&self, verb: &[&str]) {
        let log = self.folder.join("log").display().to_string();
        self.tool("pg_ctl", &[verb, &["--silent", "--wait", "-D", &self.data(), "-l", &log]].concat());
    }

    fn data(&self) -> String {
        self.folder.join("data").display().to_string()
    }

    /// Runs one of the server's programs to its end; what it printed.
    fn tool(&self, name: &str, args: &[&str]) -> String {
        // To a file, because the server keeps what it inherits open.
        let said = self.folder.join(format!("{name}.said"));
        let _ = fs::remove_file(&said);
        let file = fs::File::create(&said).unwrap();
        let Output { status, stdout, .. } = as_user(bin().join(name).to_str().unwrap())
            .args(args)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(if name == "psql" { Stdio::piped() } else { Stdio::null() })
            .stderr(file)
            .output()
            .unwrap();
        let log = || fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        assert!(status.success(), "{name} {args:?}: {status}\n{}\n{}", fs::read_to_string(&said).unwrap_or_default(), log());
        String::from_utf8_lossy(&stdout).trim().to_owned()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.watch.stdin.take());
        let _ = self.watch.wait();
    }
}

/// Where Debian puts the newest server's programs; they are not on the PATH.
fn bin() -> PathBuf {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, bin)| bin.join("initdb").exists())
        .collect();
    found.sort();
    found.pop().expect("PostgreSQL is not installed: run scripts/setup").1
}

/// A command as somebody who may run the server, which root may not.
fn as_user(program: &str) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--", program]);
    command
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|about| about.uid() == 0)
}

fn append(file: &Path, text: &str) {
    fs::write(file, fs::read_to_string(file).unwrap() + text).unwrap();
}
