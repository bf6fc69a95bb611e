//! Site chrome: the words around an article that belong to the site, in pages and in flattened text alike.

/// Whole lines that are never part of an article.
const LINES: [&str; 76] = [
    "search this site",
    "embedded files",
    "skip to main content",
    "skip to navigation",
    "skip to content",
    "skip to article",
    "skip to footer",
    "skip to search",
    "skip navigation",
    "skip to the content",
    "jump to content",
    "jump to navigation",
    "zum inhalt springen",
    "aller au contenu",
    "google sites",
    "report abuse",
    "page details",
    "page updated",
    "powered by google sites",
    "copy heading link",
    "made with google sites",
    "new google sites",
    "accept all cookies",
    "accept cookies",
    "cookie settings",
    "cookie preferences",
    "manage cookies",
    "reject all cookies",
    "share this article",
    "share this post",
    "share this page",
    "share this story",
    "share this",
    "share this with",
    "share on facebook",
    "share on twitter",
    "share on x",
    "share on linkedin",
    "share on whatsapp",
    "share on reddit",
    "share via email",
    "tweet this",
    "tweet",
    "pin it",
    "click to share",
    "copy link",
    "copy link to clipboard",
    "link copied",
    "print this page",
    "print this article",
    "email this article",
    "send to a friend",
    "back to top",
    "scroll to top",
    "loading...",
    "loading…",
    "advert",
    "advertisement",
    "advertisements",
    "anzeige",
    "werbung",
    "story continues below advertisement",
    "article continues below advertisement",
    "story continues below",
    "continue reading below",
    "enlarge image",
    "click to enlarge",
    "view author archive",
    "email the author",
    "follow on twitter",
    "make msn my homepage",
    "learn more about cookies",
    "like this story? share it with a friend",
    "tell us what you think",
    "leave a comment",
    "teilen",
];
/// Beginnings of such lines, when they are short.
const BEGINNINGS: [&str; 10] = [
    "page updated ",
    "click to share on ",
    "share this:",
    "click to email ",
    "click to print ",
    "this site uses cookies",
    "this website uses cookies",
    "we use cookies",
    "wir verwenden cookies",
    "diese website verwendet cookies",
];
/// Beginnings of lines that lead elsewhere, when the line is a link or has a colon behind them. Case matters: prose is not in capitals.
const POINTERS: [&str; 24] = [
    "READ MORE",
    "SEE MORE",
    "READ ALSO",
    "READ NEXT",
    "ALSO READ",
    "SEE ALSO",
    "DON'T MISS",
    "DON’T MISS",
    "WATCH",
    "CLICK HERE",
    "Click here",
    "Read more",
    "Read also",
    "Also read",
    "Read next",
    "Also on",
    "More from",
    "Like this story",
    "Sign up",
    "Subscribe",
    "Leggi anche",
    "Lire aussi",
    "Lesen Sie auch",
    "Lee también",
];
/// Words that begin a line which only dates the page.
const DATED: [&str; 12] = [
    "published",
    "updated",
    "posted",
    "last updated",
    "first published",
    "last modified",
    "veröffentlicht",
    "aktualisiert",
    "publié",
    "mis à jour",
    "publicado",
    "actualizado",
];
/// Names that make up a share bar.
const SHARE_NAMES: [&str; 26] = [
    "share",
    "facebook",
    "twitter",
    "x",
    "linkedin",
    "pinterest",
    "reddit",
    "whatsapp",
    "telegram",
    "email",
    "e-mail",
    "mail",
    "print",
    "copy link",
    "pocket",
    "tumblr",
    "flipboard",
    "messenger",
    "bluesky",
    "mastodon",
    "threads",
    "xing",
    "line",
    "save",
    "tweet",
    "hacker news",
];
/// A line of chrome is short; what only begins like one is not.
const LINE_BYTES_MAX: usize = 240;

/// Whether a line of text belongs to the site.
pub(super) fn is_chrome_line(line: &str) -> bool {
    if line.len() > LINE_BYTES_MAX {
        return false;
    }
    let line = line.trim().trim_end_matches([':', '.', '!', '»', '›', ' ']).to_lowercase();
    LINES.contains(&line.as_str()) || BEGINNINGS.iter().any(|beginning| line.starts_with(beginning))
}

/// Whether a line only leads elsewhere: `READ MORE: ...`, or a link all in capitals, as news sites put between paragraphs.
pub(super) fn is_pointer(line: &str, is_link: bool) -> bool {
    if line.len() > 160 {
        return false;
    }
    let shouted = is_link && line.split_whitespace().count() > 3 && longest_capitals(line) >= 4 && !line.chars().any(char::is_lowercase);
    let colon = || line.char_indices().take(20).any(|(_, c)| c == ':');
    shouted || POINTERS.iter().any(|word| starts_with_word(line, word)) && (is_link || colon())
}

fn starts_with_word(line: &str, word: &str) -> bool {
    line.strip_prefix(word).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
}

fn longest_capitals(line: &str) -> usize {
    line.split(|c: char| !c.is_ascii_uppercase()).map(str::len).max().unwrap_or(0)
}

/// Whether a line only says when the page appeared or changed, to the minute.
pub(super) fn is_date_line(line: &str) -> bool {
    if line.len() > 110 {
        return false;
    }
    let lower = line.trim_start_matches(['|', ' ', '•']).to_lowercase();
    let timed =
        lower.as_bytes().windows(4).any(|it| it[0].is_ascii_digit() && it[1] == b':' && it[2].is_ascii_digit() && it[3].is_ascii_digit());
    timed && DATED.iter().any(|word| starts_with_word(&lower, word))
}

/// Whether a line only credits a picture or counts those of a gallery.
pub(super) fn is_credit(line: &str) -> bool {
    let lower = line.trim_start_matches('(').to_lowercase();
    let credited =
        line.len() <= 130 && ["image: ", "photo: ", "photos: ", "credit: ", "foto: ", "bild: "].iter().any(|word| lower.starts_with(word));
    let count = lower.strip_prefix("image ").unwrap_or(&lower);
    let digits = count.trim_start_matches(|c: char| c.is_ascii_digit());
    let counted = digits.len() < count.len() && {
        let after = digits.trim_start();
        let total = after.strip_prefix("of").map(|rest| rest.trim_start_matches([' ', '/']));
        // `1of4A caption`, or `Image 1 of 9` and nothing more: `9 of 10 people` is prose.
        total.is_some_and(|total| {
            let rest = total.trim_start_matches(|c: char| c.is_ascii_digit());
            rest.len() < total.len() && (rest.trim().is_empty() || digits.starts_with("of") && line.len() <= 400)
        })
    };
    credited || counted
}

/// Whether a line has only words for what readers can do with a post.
pub(super) fn is_actions(line: &str) -> bool {
    const ACTIONS: [&str; 3] = ["report", "quote", "permalink"];
    let mut words = line.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).peekable();
    line.len() <= 60 && words.peek().is_some() && words.all(|word| ACTIONS.iter().any(|action| action.eq_ignore_ascii_case(word)))
}

/// Whether a text is a way to share the page.
pub(super) fn is_share_name(line: &str) -> bool {
    SHARE_NAMES.contains(&line.to_lowercase().as_str()) || is_chrome_line(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_site_are_known_and_sentences_about_them_stay() {
        for line in [
            "Search this site",
            " Report abuse",
            "Page updated  May 1, 2026",
            "Skip to main content",
            "Share this:",
            "Continue Reading Below",
        ] {
            assert!(is_chrome_line(line), "{line}");
        }
        for line in ["The search this site offers is poor.", "Google Sites is a product", "", "Tweets are short"] {
            assert!(!is_chrome_line(line), "{line}");
        }
    }

    #[test]
    fn pointers_credits_and_date_lines_are_told_from_prose() {
        assert!(
            is_pointer("READ MORE: Another story", false) && is_pointer("THE MAYOR OPENS A BRIDGE", true) && is_pointer("Read more", true)
        );
        assert!(
            !is_pointer("Read more books this year", false)
                && !is_pointer("THE MAYOR OPENS A BRIDGE", false)
                && !is_pointer("Readers: a study", false)
        );
        assert!(
            is_credit("Photo: A. Name, Agency")
                && is_credit("Image 1 of / 8")
                && is_credit("1of4A caption")
                && is_credit("(Image: AGENCY)")
        );
        assert!(!is_credit("9 of 10 people") && !is_credit("Photography is fun") && !is_credit("1 of 4 men said so"));
        assert!(is_date_line("PUBLISHED: 10:48, Tue, Nov 19, 2019") && is_date_line("| Updated 5:27 am CST"));
        assert!(!is_date_line("Updated rules apply.") && !is_date_line("Sept. 25, 2018") && !is_date_line("He left at 10:48."));
    }
}
