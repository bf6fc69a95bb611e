//! The short config.toml that `postrider init` writes.

/// A new publication's config.toml: valid as it is, with the keys people change first. The documented default has all of them.
pub fn starter(title: &str, url: &str, email: &str, timezone: &str) -> String {
    let [title, url, timezone] = [title, url, timezone].map(quoted);
    // A display name in quotes, so that a comma in the title does not part it.
    let from = quoted(&format!("{} <{email}>", title.trim_matches('"').replace(['<', '>', '"', '\\'], "")));
    format!(
        r##"# The keys people change first; docs/config.md has all of them.
# A key can also be given as a variable: POSTRIDER_SITE__TITLE="…".

[site]
title = {title}
url = {url}
description = ""
timezone = {timezone}
# postal_address = "1 Quay Street, Harbour"   # in the footer of every mail: the law in many countries

[[list]]
id = "weekly"
name = {title}
description = "What is new, once a week"
from = {from}

[[digest]]
id = "weekly"
lists = ["weekly"]
schedule = "0 0 9 * * Mon"                   # sec min hour day month weekday, in the site's time zone
subject = "{{{{ site.title }}}}: {{{{ articles[0].title }}}}"

[[feed]]
id = "main"                                  # /rss.xml, /atom.xml and /feed.json

# Mail leaves through the first relay. This one is the inbox of `postrider dev`, on this machine: put your provider's in its place.
[[relay]]
name = "local"
url = "smtp://127.0.0.1:2525"
# password_file = "relay.secret"             # with url = "smtp://user@smtp.example.com:587"
"##
    )
}

/// `text` as a TOML string.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
