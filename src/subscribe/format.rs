//! Whose export a file is, by its header, and what the columns of each are called.

use super::values::{key, squeezed};
use crate::model::fault::nearest;

/// Whose export a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Our own.
    Postrider,
    /// listmonk's export, or the form its import takes.
    Listmonk,
    /// Keila.
    Keila,
    /// Members of Ghost.
    Ghost,
    /// One of Mailchimp's three files.
    Mailchimp,
    /// Substack.
    Substack,
    /// beehiiv.
    Beehiiv,
    /// Buttondown.
    Buttondown,
    /// Kit.
    Kit,
    /// Brevo.
    Brevo,
    /// Any other file with a column of addresses.
    Generic,
}

impl Format {
    /// Every format with its name on the command line and the name people know.
    pub const ALL: [(&'static str, Self, &'static str); 11] = [
        ("postrider", Self::Postrider, "Postrider"),
        ("listmonk", Self::Listmonk, "listmonk"),
        ("keila", Self::Keila, "Keila"),
        ("ghost", Self::Ghost, "Ghost"),
        ("mailchimp", Self::Mailchimp, "Mailchimp"),
        ("substack", Self::Substack, "Substack"),
        ("beehiiv", Self::Beehiiv, "beehiiv"),
        ("buttondown", Self::Buttondown, "Buttondown"),
        ("kit", Self::Kit, "Kit"),
        ("brevo", Self::Brevo, "Brevo"),
        ("csv", Self::Generic, "CSV"),
    ];

    /// From its name on the command line.
    pub fn parse(name: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|(word, ..)| *word == name.to_lowercase());
        let names = || Self::ALL.map(|(word, ..)| word).join(", ");
        found.map(|(_, format, _)| *format).ok_or_else(|| format!("{name:?} is no format; the formats are {}", names()))
    }

    /// The name people know.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, format, _)| *format == self).map_or("CSV", |(.., name)| name)
    }

    /// Whose header this is.
    pub(super) fn of(header: &[impl AsRef<str>]) -> Self {
        let names: Vec<String> = header.iter().map(|name| squeezed(name.as_ref())).collect();
        let has = |name: &str| names.iter().any(|known| known == name);
        let all = |wanted: &[&str]| wanted.iter().all(|name| has(name));
        match () {
            () if all(&["email", "list", "state", "joined", "attributes"]) => Self::Postrider,
            () if has("memberrating") || (has("euid") && has("leid")) => Self::Mailchimp,
            () if has("subscribedtoemails") => Self::Ghost,
            () if all(&["activesubscription", "emaildisabled"]) => Self::Substack,
            () if all(&["subscribertype", "subscriptiondate"]) => Self::Buttondown,
            () if has("emailblacklisted") => Self::Brevo,
            () if all(&["email", "data", "status", "externalid"]) => Self::Keila,
            () if all(&["uuid", "email", "attributes", "status"]) || names == ["email", "name", "attributes"] => Self::Listmonk,
            () if all(&["status", "tier", "createdat", "stripecustomerid"]) => Self::Beehiiv,
            () if all(&["firstname", "email", "createdat", "status"]) && !has("lastname") => Self::Kit,
            () => Self::Generic,
        }
    }

    /// Whether dates are written day, month, year.
    pub(super) const fn day_first(self) -> bool {
        matches!(self, Self::Brevo)
    }

    /// What the column with this name holds.
    pub(super) fn field(self, name: &str) -> Field {
        let word = squeezed(name);
        self.own(&word).unwrap_or_else(|| generic(&word, name))
    }

    /// What this system means by a column that means nothing, or something else, elsewhere.
    fn own(self, word: &str) -> Option<Field> {
        let field = match (self, word) {
            (Self::Postrider, "list") => Field::List,
            (Self::Listmonk, "id" | "uuid" | "updatedat") => Field::Ignored,
            (Self::Keila, "data") => Field::Attributes,
            (Self::Ghost, "id" | "giftid") => Field::Ignored,
            (Self::Ghost, "deletedat") => Field::OptedOut,
            (
                Self::Mailchimp,
                "memberrating" | "latitude" | "longitude" | "gmtoff" | "dstoff" | "cc" | "region" | "leid" | "euid" | "lastchanged"
                | "unsubcampaigntitle" | "unsubcampaignid" | "unsubreason" | "unsubreasonother" | "cleancampaigntitle" | "cleancampaignid",
            ) => Field::Ignored,
            (Self::Buttondown, "id" | "secondaryid") => Field::Ignored,
            (Self::Buttondown, "subscribertype") => Field::Status,
            (Self::Buttondown, "subscriptiondate") => Field::AskedAt,
            (Self::Buttondown, "referrerurl") => Field::ConsentSource,
            (Self::Buttondown, "metadata") => Field::Attributes,
            (Self::Kit | Self::Beehiiv, "id" | "subscriptionid") => Field::Ignored,
            (Self::Brevo, "contactid" | "smsblacklisted" | "whatsappblacklisted" | "modifiedtime") => Field::Ignored,
            _ => return None,
        };
        Some(field)
    }
}

/// What a column holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// The address.
    Email,
    /// The whole name.
    Name,
    /// The first part of it.
    FirstName,
    /// The last part of it.
    LastName,
    /// A language tag.
    Language,
    /// An IANA zone.
    Timezone,
    /// When they came.
    Joined,
    /// When they asked for it.
    AskedAt,
    /// From which internet address.
    AskedIp,
    /// When they confirmed.
    ConfirmedAt,
    /// From which internet address.
    ConfirmedIp,
    /// Where they asked for it.
    ConsentSource,
    /// A word such as `active` or `cleaned`.
    Status,
    /// A yes, or the moment it happened, keeps the person out.
    OptedOut,
    /// A no keeps the person out.
    OptedIn,
    /// A yes, or the moment it happened: the address is dead.
    Bounced,
    /// Tags.
    Tags,
    /// A JSON object of attributes.
    Attributes,
    /// The id of a List.
    List,
    /// Nothing we keep.
    Ignored,
    /// An attribute of this name.
    Attribute(String),
}

/// The fields that stand for themselves, with their names in `--map col=field` and in the mapping people are shown.
static FIELDS: [(&str, Field); 20] = [
    ("email", Field::Email),
    ("name", Field::Name),
    ("first_name", Field::FirstName),
    ("last_name", Field::LastName),
    ("language", Field::Language),
    ("timezone", Field::Timezone),
    ("joined", Field::Joined),
    ("asked_at", Field::AskedAt),
    ("asked_ip", Field::AskedIp),
    ("confirmed_at", Field::ConfirmedAt),
    ("confirmed_ip", Field::ConfirmedIp),
    ("consent_source", Field::ConsentSource),
    ("status", Field::Status),
    ("opted_out", Field::OptedOut),
    ("opted_in", Field::OptedIn),
    ("bounced", Field::Bounced),
    ("tags", Field::Tags),
    ("attributes", Field::Attributes),
    ("list", Field::List),
    ("-", Field::Ignored),
];

impl Field {
    /// From its name; `attr.city` is the attribute `city`. A second line of the error is a hint.
    pub fn parse(name: &str) -> Result<Self, String> {
        if let Some(attribute) = name.strip_prefix("attr.") {
            return if key(attribute).is_empty() {
                Err("attr. needs a name behind it".to_owned())
            } else {
                Ok(Self::Attribute(key(attribute)))
            };
        }
        if let Some((_, field)) = FIELDS.iter().find(|(known, _)| *known == name) {
            return Ok(field.clone());
        }
        let names = || FIELDS.iter().map(|(known, _)| *known);
        let hint = match nearest(name, names()) {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!(
                "the fields are {}, attr.NAME for an attribute, and - for nothing",
                names().filter(|name| *name != "-").collect::<Vec<_>>().join(", ")
            ),
        };
        Err(format!("there is no field {name:?}\n{hint}"))
    }

    /// As people are shown it.
    pub fn words(&self) -> String {
        match self {
            Self::Ignored => "(left out)".to_owned(),
            Self::Attribute(key) => format!("attr.{key}"),
            _ => FIELDS.iter().find(|(_, field)| field == self).map_or_else(String::new, |(name, _)| (*name).to_owned()),
        }
    }
}

/// The column a header cell names, in the words of the common systems.
fn generic(word: &str, name: &str) -> Field {
    match word {
        "" | "list" | "suppressed" => Field::Ignored,
        "email" | "emailaddress" | "mail" | "mailaddress" | "emailadresse" | "subscriberemail" | "correo" | "courriel" => Field::Email,
        "name" | "fullname" | "displayname" | "subscribername" => Field::Name,
        "firstname" | "givenname" | "fname" | "vorname" => Field::FirstName,
        "lastname" | "surname" | "familyname" | "lname" | "nachname" => Field::LastName,
        "language" | "lang" | "locale" => Field::Language,
        "timezone" | "tz" => Field::Timezone,
        "created" | "createdat" | "joined" | "joinedat" | "subscribedat" | "signupdate" | "subscriptiondate" | "creationdate"
        | "addedtime" => Field::Joined,
        "optintime" | "optindate" | "askedat" | "consentdate" | "consenttime" => Field::AskedAt,
        "optinip" | "askedip" | "ipaddress" | "ip" | "signupip" | "consentip" => Field::AskedIp,
        "confirmtime" | "confirmedat" | "confirmationdate" => Field::ConfirmedAt,
        "confirmip" | "confirmedip" => Field::ConfirmedIp,
        "consentsource" | "signupsource" => Field::ConsentSource,
        "status" | "state" | "subscriptionstatus" => Field::Status,
        "unsubscribed" | "unsubscribedat" | "unsubscriptiondate" | "unsubtime" | "emaildisabled" | "emailblacklisted" | "optedout" => {
            Field::OptedOut
        }
        "blocklisted" | "cleantime" | "bouncedat" => Field::Bounced,
        "subscribedtoemails" => Field::OptedIn,
        "tags" | "labels" => Field::Tags,
        "attributes" => Field::Attributes,
        _ => Field::Attribute(key(name)),
    }
}
