//! The templates compiled into the program: every file under `templates/`, one line each (a test compares the two).

/// Expands names into (name, content of the file of that name under `templates/`).
macro_rules! builtin {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../templates/", $name)))),*]
    };
}

/// Name and source, sorted by name. (Braces, because rustfmt would put a list in brackets on one line.)
pub(super) const TEMPLATES: &[(&str, &str)] = builtin! {
    "email/base.html",
    "email/base.txt",
    "email/confirm.html",
    "email/confirm.txt",
    "email/digest.html",
    "email/digest.txt",
    "email/known.html",
    "email/known.txt",
    "email/letter.html",
    "email/letter.txt",
    "email/move.html",
    "email/move.txt",
    "email/moving.html",
    "email/moving.txt",
    "email/notice.html",
    "email/style.css",
    "email/welcome.html",
    "email/welcome.txt",
    "locales/de.ftl",
    "locales/en.ftl",
    "web/archive.html",
    "web/article.html",
    "web/base.html",
    "web/confirm.html",
    "web/feeds.html",
    "web/inbox.html",
    "web/invalid.html",
    "web/issue.html",
    "web/issues.html",
    "web/list.html",
    "web/message.html",
    "web/note.html",
    "web/pager.html",
    "web/plain.html",
    "web/preferences.html",
    "web/redirect.html",
    "web/sent.html",
    "web/source.html",
    "web/sources.html",
    "web/subscribe.html",
    "web/unsubscribe.html",
};
