//! PastIssue: what the public archive shows of an Issue: what all its readers got, and nothing of any of them.

use super::issue::{Frozen, FrozenArticle, IssueId};
use super::list::ListId;
use super::time::Timestamp;

/// Text of an Issue that can be searched: a long one is found by its beginning, its titles and its summaries.
const TEXT_BYTES_MAX: usize = 64 * 1024;

/// An Issue of the past.
#[derive(Debug, Clone, PartialEq)]
pub struct PastIssue {
    /// Its number among all Issues: what its page is called by, for ever.
    pub id: IssueId,
    /// Which number of its Digest it is; a letter has none.
    pub number: Option<u64>,
    /// Subject, rendered for nobody.
    pub subject: String,
    /// When it began to go out.
    pub sent_at: Timestamp,
    /// Language of its texts.
    pub language: String,
    /// The Lists it went to.
    pub lists: Vec<ListId>,
    /// The Articles as they were, in the order of the mail. The body is kept of a letter's only: a digest shows none.
    pub articles: Vec<FrozenArticle>,
    /// What it is searched in: subject, titles, summaries and texts, in small letters.
    pub words: String,
}

impl PastIssue {
    /// What is kept of a frozen Issue; `is_letter` when it is of no Digest. Of its Articles those for everybody: the others were in earlier Issues.
    pub fn new(id: IssueId, is_letter: bool, subject: String, sent_at: Timestamp, mut frozen: Frozen) -> Self {
        frozen.articles.truncate(frozen.fresh.unwrap_or(usize::MAX));
        frozen.sort_by_section();
        let mut past = Self {
            id,
            number: (!is_letter).then_some(frozen.number),
            subject,
            sent_at,
            language: frozen.language.unwrap_or(frozen.site.language),
            lists: frozen.lists.into_keys().collect(),
            articles: frozen.articles,
            words: String::new(),
        };
        let mut left = TEXT_BYTES_MAX;
        for article in &mut past.articles {
            article.text = cut(&words_of(&article.text), left);
            left -= article.text.len();
            if !is_letter {
                article.html = String::new();
            }
        }
        past.words = past.searched();
        past
    }

    /// The letter's Article, when it is one.
    pub fn letter(&self) -> Option<&FrozenArticle> {
        self.articles.first().filter(|_| self.number.is_none())
    }

    /// From now on it is found by its subject, titles and summaries only. An archive of decades must fit into memory.
    pub fn forget_text(&mut self) {
        self.articles.iter_mut().for_each(|article| article.text = String::new());
        self.words = self.searched();
    }

    fn searched(&self) -> String {
        let of_article = |article: &FrozenArticle| format!("{}\n{}\n{}\n", article.title, article.summary, article.text);
        fold(&format!("{}\n{}", self.subject, self.articles.iter().map(of_article).collect::<String>()))
    }
}

/// Text in small letters, character by character, so that a word is the same wherever it stands.
pub fn fold(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// The words of a text without what plain mail draws: rules, boxes, marks around words, numbers of links.
fn words_of(text: &str) -> String {
    let is_word = |word: &&str| {
        let is_link = word.strip_prefix('[').and_then(|word| word.strip_suffix(']')).is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()));
        !is_link && word.chars().any(char::is_alphanumeric)
    };
    let words = text.split_whitespace().map(|word| word.trim_matches(['*', '_', '`']));
    words.filter(is_word).collect::<Vec<_>>().join(" ")
}

fn cut(text: &str, bytes: usize) -> String {
    text[..text.floor_char_boundary(bytes)].to_owned()
}
