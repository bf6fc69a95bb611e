//! Tests of the template room, through its door.

mod mail;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use postrider::model::Fault;
use postrider::template;
use tera::{Context, Value};

/// An engine over the given templates.
fn engine(sources: &[(&str, &str)]) -> Result<tera::Tera, postrider::model::Faults> {
    template::engine(&sources.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect())
}

/// What one template writes with `value` in the context.
fn try_write(source: &str, value: Value) -> Result<String, Fault> {
    let mut context = Context::new();
    context.insert_value("value", value);
    template::render(&engine(&[("t.txt", source)]).unwrap(), "t.txt", &context)
}

/// The same, when it must succeed.
fn write(source: &str, value: impl Into<Value>) -> String {
    try_write(source, value.into()).unwrap_or_else(|fault| panic!("{source}: {fault}"))
}

/// Every file under `dir`, as a template name.
fn files(dir: &Path) -> Vec<String> {
    let walk = walkdir::WalkDir::new(dir).sort_by_file_name().into_iter().map(Result::unwrap);
    let files = walk.filter(|entry| entry.file_type().is_file());
    files.map(|entry| entry.path().strip_prefix(dir).unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn every_file_under_templates_is_built_in() {
    let built_in = template::load(Path::new("/nonexistent")).unwrap();
    assert_eq!(
        built_in.keys().cloned().collect::<Vec<_>>(),
        files(Path::new("templates")),
        "add the missing line to src/template/builtin.rs"
    );
    template::engine(&built_in).unwrap_or_else(|faults| panic!("{faults}"));
}

#[test]
fn mail_templates_stand_alone() {
    let email: BTreeMap<String, String> = template::load(Path::new("/nonexistent"))
        .unwrap()
        .into_iter()
        .filter(|(name, _)| name.starts_with("email/") || name.starts_with("locales/"))
        .collect();
    template::engine(&email).unwrap_or_else(|faults| panic!("an issue freezes only email/: {faults}"));
}

#[test]
fn a_file_on_disk_overrides_the_built_in_one_and_partials_may_be_added() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("email/parts")).unwrap();
    fs::write(dir.path().join("email/digest.txt"), "\u{feff}mine").unwrap();
    fs::write(dir.path().join("email/parts/sponsor.html"), "<p>sponsor</p>").unwrap();
    fs::write(dir.path().join("README.md"), "not a template").unwrap();
    fs::write(dir.path().join("email/.digest.txt.swp.html"), "leftover").unwrap();
    let sources = template::load(dir.path()).unwrap();
    assert_eq!(sources["email/digest.txt"], "mine");
    assert_eq!(sources["email/parts/sponsor.html"], "<p>sponsor</p>");
    assert!(sources["email/digest.html"].len() > 10, "the others stay built in");
    assert!(!sources.contains_key("README.md") && !sources.keys().any(|name| name.contains("swp")));
}

#[test]
#[cfg(unix)]
fn links_that_leave_the_template_folder_are_refused() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret.txt"), "secret").unwrap();
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("real.html"), "real").unwrap();
    std::os::unix::fs::symlink(dir.path().join("real.html"), dir.path().join("inside.html")).unwrap();
    assert_eq!(template::load(dir.path()).unwrap()["inside.html"], "real", "a link inside the folder is fine");
    std::os::unix::fs::symlink(outside.path().join("secret.txt"), dir.path().join("out.txt")).unwrap();
    std::os::unix::fs::symlink(outside.path(), dir.path().join("folder")).unwrap();
    std::os::unix::fs::symlink(dir.path(), dir.path().join("loop")).unwrap();
    let faults = template::load(dir.path()).unwrap_err();
    let codes: Vec<_> = faults.0.iter().map(|fault| fault.code).collect();
    assert_eq!(codes, ["template-outside", "template-unreadable", "template-outside"], "{faults}");
}

#[test]
fn unreadable_templates_are_named() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a b.html"), "x").unwrap();
    fs::write(dir.path().join("big.html"), "x".repeat(300_000)).unwrap();
    fs::write(dir.path().join("latin1.html"), b"caf\xe9").unwrap();
    let faults = template::load(dir.path()).unwrap_err();
    let codes: Vec<_> = faults.0.iter().map(|fault| fault.code).collect();
    assert_eq!(codes, ["template-name", "template-too-large", "template-unreadable"], "{faults}");
}

#[test]
fn defaults_are_written_once_and_never_over_the_users_files() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("email")).unwrap();
    fs::write(dir.path().join("email/digest.txt"), "mine").unwrap();
    let written = template::write_defaults(dir.path()).unwrap();
    assert!(written.contains(&"email/digest.html".to_owned()) && !written.contains(&"email/digest.txt".to_owned()), "{written:?}");
    assert_eq!(fs::read_to_string(dir.path().join("email/digest.txt")).unwrap(), "mine");
    assert_eq!(template::write_defaults(dir.path()).unwrap(), Vec::<String>::new());
    assert!(template::load(dir.path()).is_ok(), "what we write we can read");
}

#[test]
fn html_is_escaped_and_text_is_not() {
    let tera = engine(&[("a.html", "{{ value }}"), ("a.txt", "{{ value }}")]).unwrap();
    let mut context = Context::new();
    context.insert("value", "<b> & \"c\"");
    assert_eq!(template::render(&tera, "a.html", &context).unwrap(), "&lt;b&gt; &amp; &quot;c&quot;");
    assert_eq!(template::render(&tera, "a.txt", &context).unwrap(), "<b> & \"c\"");
}

#[test]
fn dates_are_written_in_the_format_and_zone_asked_for() {
    let at = "2026-11-22T23:30:00+00:00";
    assert_eq!(write("{{ value | date }}", at), "22 November 2026");
    assert_eq!(write("{{ value | date(timezone=\"Asia/Tokyo\", format=\"%a %d %b, %H:%M\") }}", at), "Mon 23 Nov, 08:30");
    assert_eq!(write("{{ value | date(format=\"%Y\") }}", "2026-11-22"), "2026");
    for (source, value, says) in [
        ("{{ value | date(format=\"%Q\") }}", at, "is not a date format"),
        ("{{ value | date(timezone=\"Mars/Olympus\") }}", at, "is not a time zone"),
        ("{{ value | date }}", "yesterday", "is not a date such as"),
    ] {
        let fault = try_write(source, value.into()).unwrap_err();
        assert!(fault.message.contains(says) && fault.place.is_some(), "{source}: {fault}");
    }
}

#[test]
fn only_web_and_mail_addresses_are_safe() {
    for good in ["https://example.com/a?b=c", "http://example.com", "mailto:a@example.com"] {
        assert_eq!(write("{{ value | safe_url }}", good), good);
    }
    for bad in [
        "javascript:alert(1)",
        "JAVASCRIPT:alert(1)",
        " java\nscript:alert(1)",
        "data:text/html,x",
        "/relative",
        "//example.com",
        "",
        "vbscript:x",
    ] {
        assert_eq!(write("{{ value | safe_url }}", bad), "#", "{bad:?}");
    }
}

#[test]
fn numbers_are_grouped() {
    for (value, expected) in [(0, "0"), (999, "999"), (1000, "1,000"), (-1_234_567, "-1,234,567")] {
        assert_eq!(write("{{ value | number }}", value), expected);
    }
    assert_eq!(write("{{ value | number(separator=\".\") }}", 12_345), "12.345");
    assert_eq!(write("{{ value | number }}", 1234.5), "1,234.5");
    assert!(try_write("{{ value | number }}", "x".into()).is_err());
}

#[test]
fn tags_are_stripped_and_text_that_looks_like_one_stays() {
    assert_eq!(write("{{ value | striptags }}", "<p>1 < 2 &amp; <b>bold</b><!-- <i> --> done</p>"), "1 < 2 & bold done");
    assert_eq!(write("{{ value | striptags }}", "open <b"), "open ");
    assert_eq!(write("{{ value | striptags }}", "&amp;lt;"), "&lt;", "entities are resolved once");
}

#[test]
fn text_is_cut_at_words_and_wrapped_at_columns() {
    assert_eq!(write("{{ value | truncate_words(length=3) }}", "one two, three, four"), "one two, three…");
    assert_eq!(write("{{ value | truncate_words(length=9) }}", "one two"), "one two");
    assert_eq!(write("{{ value | wrap(width=9) }}", "one two three four"), "one two\nthree\nfour");
    assert_eq!(
        write("{{ value | wrap(width=9, indent=\"  \") }}", "one two three https://example.com/long"),
        "  one two\n  three\n  https://example.com/long"
    );
    assert_eq!(write("{{ value | wrap(width=8) }}", "日本 日本 語"), "日本\n日本 語", "wide characters take two columns");
    assert_eq!(write("{{ value | wrap }}", "a\n\nb"), "a\n\nb");
}

#[test]
fn the_direction_of_a_language_is_known() {
    for (language, expected) in [
        ("en", "ltr"),
        ("ar", "rtl"),
        ("he-IL", "rtl"),
        ("FA", "rtl"),
        ("az-Arab", "rtl"),
        ("ar-Latn", "ltr"),
        ("de-CH", "ltr"),
        ("", "ltr"),
    ] {
        assert_eq!(write("{{ value | direction }}", language), expected, "{language}");
    }
}

#[test]
fn every_broken_template_is_reported_with_its_place() {
    let faults = engine(&[("a.html", "fine"), ("b.html", "one\n{{ value | }}"), ("c.html", "{% if x %}")]).unwrap_err();
    let seen: Vec<_> =
        faults.0.iter().map(|fault| (fault.place.as_ref().unwrap().file.to_str().unwrap(), fault.place.as_ref().unwrap().line)).collect();
    assert_eq!(seen, [("b.html", 2), ("c.html", 1)], "{faults}");
}

#[test]
fn unknown_names_come_with_a_hint() {
    for (source, code, hint) in [
        ("{{ value | uper }}", "template-unknown-filter", "did you mean `upper`?"),
        ("{{ value | safeurl }}", "template-unknown-filter", "did you mean `safe_url`?"),
        ("{% if value is definde %}{% endif %}", "template-unknown-test", "did you mean `defined`?"),
        ("{% include \"email/partz.html\" %}", "template-missing", "did you mean `email/parts.html`?"),
    ] {
        let faults = engine(&[("t.html", source), ("email/parts.html", "")]).unwrap_err();
        let fault = &faults.0[0];
        assert_eq!((faults.0.len(), fault.code, fault.hint.as_deref()), (1, code, Some(hint)), "{source}: {faults}");
        assert_eq!(fault.place.as_ref().unwrap().source, source);
    }
}

#[test]
fn an_undefined_variable_is_a_fault_with_the_nearest_name() {
    let fault = try_write("Hello\n {{ valeu }}", "x".into()).unwrap_err();
    let place = fault.place.clone().unwrap();
    assert_eq!((fault.code, fault.hint.as_deref()), ("template-undefined", Some("did you mean `value`?")), "{fault}");
    assert_eq!((place.line, place.column, place.length, place.source.as_str()), (2, 5, 5, " {{ valeu }}"));
    assert_eq!(write("{{ value.name | default(value=\"friend\") }}", tera::Map::default()), "friend");
}

#[test]
fn a_template_that_never_ends_is_stopped() {
    let source = "{% for a in range(end=100000) %}{% for b in range(end=100000) %}spam{% endfor %}{% endfor %}";
    let fault = try_write(source, "".into()).unwrap_err();
    assert_eq!(fault.code, "template-too-large", "{fault}");
    assert!(try_write("{{ range(end=30000000) }}", "".into()).is_err(), "a huge range is refused by Tera");
}

#[test]
fn loops_that_write_nothing_are_stopped_too() {
    let nested = "{% for a in r %}{% for b in r %}{% for c in r %}{% endfor %}{% endfor %}{% endfor %}";
    let source = format!("{{% set r = range(end=1000) %}}{{% set x %}}{nested}{{% endset %}}");
    assert_eq!(try_write(&source, "".into()).unwrap_err().code, "template-too-long");
    assert_eq!(write("{% for a in range(end=3) %}{{ a }}{% endfor %}", ""), "012", "each rendering counts anew");
}

#[test]
fn counting_the_rounds_of_loops_changes_nothing_else() {
    for (source, expected) in [
        ("{% for a in value %} {{ a }} {%- endfor %}", " a b"),
        ("{%- for a in value -%}  {{ a }}\n{% endfor %}", "a\nb\n"),
        ("{% raw %}{% for a in value %}{% endraw %}", "{% for a in value %}"),
        ("{# {% for a in value %} #}x", "x"),
        ("{{ \"{% for a in value %}\" }}", "{% for a in value %}"),
        ("{% if \"%}\" != value %}{% for a in value %}{{ a }}{% else %}none{% endfor %}{% endif %}", "ab"),
        (r#"{{ "\"}}{% for a in value %}" }}"#, "\"}}{% for a in value %}"),
        ("{{ [a ~ \"!\" for a in value] | join(sep=\"\") }}", "a!b!"),
    ] {
        assert_eq!(write(source, vec!["a", "b"]), expected, "{source}");
    }
    let fault = try_write("{% for a in value %}{{ b }}{% endfor %}", vec!["a"].into()).unwrap_err();
    let place = fault.place.unwrap();
    assert_eq!(
        (place.column, place.source.as_str()),
        (24, "{% for a in value %}{{ b }}{% endfor %}"),
        "the report shows what the author wrote"
    );
}
