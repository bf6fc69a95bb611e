//! The rules of the house, kept by a test: the rooms table of ARCHITECTURE.md is read and every arrow in the sources is held against it.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const FUNCTION_LINES_MAX: usize = 70;
const FILE_LINES_MAX: usize = 500;

/// A source file: its room, and its lines without comments, strings' insides kept, tests cut off.
struct Source {
    path: PathBuf,
    room: String,
    text: String,
    code: Vec<String>,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&root, &mut files);
    files.sort();
    files
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            let relative = path.strip_prefix(&root).unwrap().to_owned();
            let first = relative.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
            let room = first.trim_end_matches(".rs").to_owned();
            let code = without_tests_and_comments(&text);
            Source { path: relative, room, text, code }
        })
        .collect()
}

fn walk(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, files);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            files.push(path);
        }
    }
}

/// Unit tests stand at the end of a file by house rule; comments are cut at `//` that follows a blank or begins the line.
fn without_tests_and_comments(text: &str) -> Vec<String> {
    text.lines()
        .take_while(|line| line.trim() != "#[cfg(test)]")
        .map(|line| {
            let trimmed = line.trim_start();
            if trimmed.starts_with("//") { String::new() } else { line.split(" // ").next().unwrap_or_default().to_owned() }
        })
        .collect()
}

/// Room → rooms it may import, from the table; `every stage` and the floor names are spelled out.
fn rooms_table() -> BTreeMap<String, BTreeSet<String>> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md")).unwrap();
    let rows: Vec<Vec<String>> = text
        .lines()
        .skip_while(|line| !line.starts_with("| floor"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect())
        .collect();
    let floor = |name: &str| rows.iter().filter(|row| row[0] == name).map(|row| row[1].clone()).collect::<BTreeSet<_>>();
    let (tools, stages) = (floor("tools"), floor("stages"));
    let mut table = BTreeMap::new();
    for row in &rows {
        let mut allowed = BTreeSet::from(["model".to_owned(), row[1].clone()]);
        for word in row[3].split(',').map(str::trim) {
            match word {
                "-" => {}
                "every stage" => allowed.extend(tools.iter().chain(&stages).cloned()),
                "stages" => allowed.extend(stages.iter().cloned()),
                "tools" => allowed.extend(tools.iter().cloned()),
                room => drop(allowed.insert(room.to_owned())),
            }
        }
        table.insert(row[1].clone(), allowed);
    }
    table
}

/// The rooms a line of code names after `crate::` (also in a group: `crate::{config::Config, store}`).
fn imports(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in line.match_indices("crate::") {
        let rest = &line[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let (mut depth, mut start) = (0, true);
            let mut word = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    ',' if depth == 0 => start = true,
                    _ if depth == 0 && start && (c.is_alphanumeric() || c == '_') => word.push(c),
                    _ => {
                        if !word.is_empty() {
                            found.push(std::mem::take(&mut word));
                            start = false;
                        }
                    }
                }
            }
            found.extend((!word.is_empty()).then_some(word));
        } else {
            found.push(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    found
}

fn assert_none(what: &str, faults: &[String]) {
    assert!(faults.is_empty(), "{what}:\n{}", faults.join("\n"));
}

#[test]
fn rooms_import_only_what_the_table_allows() {
    let table = rooms_table();
    let mut faults = Vec::new();
    for source in sources().iter().filter(|source| !matches!(source.room.as_str(), "lib" | "main")) {
        let Some(allowed) = table.get(&source.room) else {
            faults.push(format!("{}: the room `{}` is not in the table", source.path.display(), source.room));
            continue;
        };
        for (number, line) in source.code.iter().enumerate() {
            for room in imports(line).into_iter().filter(|room| table.contains_key(room) && !allowed.contains(room)) {
                faults.push(format!("{}:{}: `{}` imports `{room}`", source.path.display(), number + 1, source.room));
            }
        }
    }
    assert_none("arrows that the table in ARCHITECTURE.md does not allow", &faults);
}

#[test]
fn the_table_has_every_room_and_no_cycle() {
    let table = rooms_table();
    let rooms: BTreeSet<String> = sources().into_iter().map(|source| source.room).filter(|room| room != "lib" && room != "main").collect();
    let named: BTreeSet<String> = table.keys().cloned().collect();
    assert_eq!(named, rooms, "the rooms in ARCHITECTURE.md are not those in src/");
    let mut left = table.clone();
    while !left.is_empty() {
        let free: Vec<String> = left
            .iter()
            .filter(|(room, allowed)| allowed.iter().all(|other| other == *room || !left.contains_key(other)))
            .map(|(room, _)| room.clone())
            .collect();
        assert!(!free.is_empty(), "a cycle among {:?}", left.keys());
        left.retain(|room, _| !free.contains(room));
    }
}

#[test]
fn each_power_is_used_in_its_own_room_only() {
    let powers: [(&str, &[&str]); 5] = [
        ("sqlx::", &["store"]),
        ("reqwest::", &["fetch"]),
        ("lettre::transport", &["send"]),
        ("AsyncSmtpConnection", &["send"]),
        ("tera::Tera", &["template", "compose", "feed", "web"]),
    ];
    let clocks = ["Utc::now", "Local::now", "SystemTime::now", "Instant::now"];
    let mut faults = Vec::new();
    for source in sources() {
        for (number, line) in source.code.iter().enumerate() {
            let place = format!("{}:{}", source.path.display(), number + 1);
            for (power, rooms) in powers {
                if line.contains(power) && !rooms.contains(&source.room.as_str()) {
                    faults.push(format!("{place}: {power} outside {rooms:?}"));
                }
            }
            // Distances of time are measured by the runtime's timers, which tests pause.
            let timers = source.path.ends_with("send/world.rs") && line.contains("tokio::time::Instant::now()");
            for clock in clocks.iter().filter(|clock| line.contains(*clock) && source.room != "app" && !timers) {
                faults.push(format!("{place}: {clock} outside app"));
            }
        }
    }
    assert_none("powers used in the wrong room", &faults);
}

#[test]
fn files_open_with_what_they_are_for_and_stay_short() {
    let mut faults = Vec::new();
    for source in sources() {
        if !source.text.starts_with("//!") {
            faults.push(format!("{}: does not open with //!", source.path.display()));
        }
        if source.code.len() > FILE_LINES_MAX {
            faults.push(format!("{}: {} lines, at most {FILE_LINES_MAX}", source.path.display(), source.code.len()));
        }
    }
    assert_none("files against the house rules", &faults);
}

#[test]
fn functions_stay_short() {
    let mut faults = Vec::new();
    for source in sources() {
        let mut open: Vec<(usize, usize)> = Vec::new();
        for (number, line) in source.code.iter().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let head = line.trim_start();
            let is_function = head.starts_with("fn ")
                || head.contains(" fn ") && (head.starts_with("pub") || head.starts_with("async") || head.starts_with("const"));
            if is_function && !head.ends_with(';') && !head.ends_with('}') {
                open.push((indent, number));
            }
            if head == "}" && open.last().is_some_and(|(at, _)| *at == indent) {
                let (_, start) = open.pop().unwrap();
                let length = number - start + 1;
                if length > FUNCTION_LINES_MAX {
                    faults.push(format!("{}:{}: {length} lines, at most {FUNCTION_LINES_MAX}", source.path.display(), start + 1));
                }
            }
        }
    }
    assert_none("functions that are too long", &faults);
}

#[test]
fn nothing_outside_tests_unwraps_or_is_unsafe() {
    let mut faults = Vec::new();
    for source in sources() {
        for (number, line) in source.code.iter().enumerate() {
            for bad in [".unwrap()", ".expect(", "todo!(", "unimplemented!(", "unsafe {", "dbg!("] {
                if line.contains(bad) {
                    faults.push(format!("{}:{}: {bad}", source.path.display(), number + 1));
                }
            }
        }
    }
    assert_none("shortcuts outside tests", &faults);
}

#[test]
fn get_routes_never_name_a_handler_that_writes() {
    // Handlers that change state end in `_post` by house rule; a GET route to one of them would break the promise that link scanners change nothing.
    let mut faults = Vec::new();
    for source in sources().iter().filter(|source| source.room == "web") {
        for (number, line) in source.code.iter().enumerate() {
            if line.contains("get(") && line.split("get(").skip(1).any(|rest| rest.split(')').next().unwrap_or_default().ends_with("_post"))
            {
                faults.push(format!("{}:{}", source.path.display(), number + 1));
            }
        }
    }
    assert_none("GET routes that change state", &faults);
}

#[test]
fn the_architecture_fits_in_150_lines() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md")).unwrap();
    assert!(text.lines().count() <= 150, "ARCHITECTURE.md has {} lines", text.lines().count());
}
