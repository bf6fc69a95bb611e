//! Namespaces: which vocabulary an element belongs to, whatever prefix its feed chose or forgot to declare.

/// The vocabularies that the reader knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vocabulary {
    /// RSS in all its versions, Atom, CDF, and elements without a namespace: their words do not clash.
    Core,
    /// `content:encoded`.
    Content,
    /// Dublin Core elements.
    Dc,
    /// Dublin Core terms.
    DcTerms,
    /// Apple's podcast elements.
    Itunes,
    /// Yahoo's Media RSS.
    Media,
    /// RDF itself.
    Rdf,
    /// XHTML.
    Xhtml,
    /// Anything else.
    Other,
}

/// Which dialect a namespace gives away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// RSS 0.90.
    Rss090,
    /// RSS 1.0.
    Rss10,
    /// Atom 1.0.
    Atom10,
}

struct Binding<'a> {
    prefix: &'a str,
    vocabulary: Vocabulary,
}

/// Most bindings that are kept at a time: every element's prefix is looked for among them.
const BINDINGS_MAX: usize = 64;

/// The bindings in scope, innermost last.
#[derive(Default)]
pub struct Namespaces<'a> {
    bindings: Vec<Binding<'a>>,
}

impl<'a> Namespaces<'a> {
    /// How many bindings are in scope; [`Self::leave`] takes this number.
    pub fn mark(&self) -> usize {
        self.bindings.len()
    }

    /// Forgets the bindings made since `mark`.
    pub fn leave(&mut self, mark: usize) {
        self.bindings.truncate(mark);
    }

    /// Notes one attribute if it is a namespace declaration; tells the dialect if the namespace gives it away.
    pub fn declare(&mut self, name: &'a str, uri: &str) -> Option<Hint> {
        let prefix = match name.split_once(':') {
            Some((head, prefix)) if head.eq_ignore_ascii_case("xmlns") => prefix,
            None if name.eq_ignore_ascii_case("xmlns") => "",
            _ => return None,
        };
        let (vocabulary, hint) = by_uri(&uri.trim().to_ascii_lowercase());
        // A default namespace that nobody knows is a feed with a home-made or mistyped one: its words still count.
        let vocabulary = if prefix.is_empty() { vocabulary.unwrap_or(Vocabulary::Core) } else { vocabulary.unwrap_or(Vocabulary::Other) };
        if self.bindings.len() < BINDINGS_MAX {
            self.bindings.push(Binding { prefix, vocabulary });
        }
        hint.filter(|hint| prefix.is_empty() || *hint != Hint::Rss090)
    }

    /// Splits a qualified name into its vocabulary and local name.
    pub fn resolve<'n>(&self, name: &'n str) -> (Vocabulary, &'n str) {
        let (prefix, local) = name.split_once(':').unwrap_or(("", name));
        let bound = self.bindings.iter().rev().find(|binding| binding.prefix == prefix);
        let vocabulary = bound.map_or_else(|| by_prefix(prefix), |binding| binding.vocabulary);
        (vocabulary, local)
    }
}

/// What a prefix means by custom, for feeds that forgot to declare it.
fn by_prefix(prefix: &str) -> Vocabulary {
    match prefix.to_ascii_lowercase().as_str() {
        "" | "atom" | "atom10" | "rss" | "a10" => Vocabulary::Core,
        "content" => Vocabulary::Content,
        "dc" => Vocabulary::Dc,
        "dcterms" => Vocabulary::DcTerms,
        "itunes" => Vocabulary::Itunes,
        "media" => Vocabulary::Media,
        "rdf" => Vocabulary::Rdf,
        "xhtml" => Vocabulary::Xhtml,
        _ => Vocabulary::Other,
    }
}

/// What a namespace (in lower case) is; `None` for strangers.
fn by_uri(uri: &str) -> (Option<Vocabulary>, Option<Hint>) {
    use Vocabulary as V;
    let (vocabulary, hint) = match uri {
        "http://my.netscape.com/rdf/simple/0.9/" => (V::Core, Some(Hint::Rss090)),
        "http://purl.org/rss/1.0/" => (V::Core, Some(Hint::Rss10)),
        "http://www.w3.org/2005/atom" => (V::Core, Some(Hint::Atom10)),
        "" | "http://blogs.law.harvard.edu/tech/rss" | "http://purl.org/rss/1.0/modules/rss091#" => (V::Core, None),
        "http://example.com/newformat#" | "http://example.com/necho" | "http://purl.org/echo/" | "http://purl.org/atom/ns#" => {
            (V::Core, None)
        }
        "uri/of/echo/namespace#" | "http://purl.org/pie/" => (V::Core, None),
        "http://purl.org/rss/1.0/modules/content/" => (V::Content, None),
        "http://purl.org/dc/elements/1.1/" | "http://purl.org/dc/elements/1.0/" => (V::Dc, None),
        "http://purl.org/dc/terms/" => (V::DcTerms, None),
        "http://www.itunes.com/dtds/podcast-1.0.dtd" | "http://example.com/dtds/podcast-1.0.dtd" => (V::Itunes, None),
        "http://search.yahoo.com/mrss" | "http://search.yahoo.com/mrss/" => (V::Media, None),
        "http://www.w3.org/1999/02/22-rdf-syntax-ns#" => (V::Rdf, None),
        "http://www.w3.org/1999/xhtml" => (V::Xhtml, None),
        "http://www.w3.org/2000/svg" | "http://www.w3.org/1998/math/mathml" => (V::Other, None),
        _ if uri.contains("backend.userland.com/rss") => (V::Core, None),
        _ => return (None, None),
    };
    (Some(vocabulary), hint)
}
