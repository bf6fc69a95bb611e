//! The words in dates: months in the languages feeds are written in, halves of the day, and zones by name.

/// Beginnings of month names, lower case, a line a month: English, German, French, Spanish, Italian, Portuguese, Dutch, Scandinavian,
/// Polish, Czech, Hungarian, Romanian, Turkish, Finnish, Russian, Ukrainian, and Greek with the spellings feedparser met.
const MONTHS: [&str; 12] = [
    "jan jän ene gen sty led ian oca tammi янв січ ιαν",
    "feb fév fev lut úno şub sub helmi фев лют φεβ",
    "mar mär mrz már maa mrt bře maalis бер мар μάρ μαρ μάώ μαώ",
    "apr avr abr ápr kwi dub nis huhti апр кві απρ",
    "may mai mag maj máj mei kvě touko май мая тра μάι μαϊ μαι",
    "jun juin giu jún cze čvn iun haz kesä июн чер ιούν ιουν ιον",
    "jul juil lug júl lip čvc iul tem heinä июл ιούλ ιουλ ιολ",
    "aug aoû aou ago sie srp ağu elo авг сер αύγ αυγ",
    "sep set sze wrz zář eyl syys сен вер σεπ",
    "oct okt out ott paź říj eki loka окт жов οκτ",
    "nov lis kas noi marras ноя νοέ νοε",
    "dec déc dez dic gru pro ara joulu дек груд δεκ",
];

/// The month that `word` (lower case) names; the longest beginning wins, as `marras` is not `mar`.
pub fn month(word: &str) -> Option<u32> {
    let fit = |names: &str| names.split(' ').filter(|name| word.starts_with(name)).map(str::len).max();
    (1..=12u32)
        .zip(MONTHS)
        .filter_map(|(number, names)| Some((fit(names)?, number)))
        .max_by_key(|(length, _)| *length)
        .map(|(_, number)| number)
}

/// Zones by name (lower case) in minutes east of Greenwich. Where one name has several meanings, the one most feeds mean.
const ZONES: [(&str, i32); 62] = [
    ("ut", 0),
    ("utc", 0),
    ("gmt", 0),
    ("z", 0),
    ("wet", 0),
    ("west", 60),
    ("bst", 60),
    ("ist", 330),
    ("cet", 60),
    ("cest", 120),
    ("met", 60),
    ("mest", 120),
    ("mez", 60),
    ("mesz", 120),
    ("eet", 120),
    ("eest", 180),
    ("msk", 180),
    ("msd", 240),
    ("trt", 180),
    ("sast", 120),
    ("gst", 240),
    ("pkt", 300),
    ("npt", 345),
    ("ict", 420),
    ("wib", 420),
    ("hkt", 480),
    ("sgt", 480),
    ("awst", 480),
    ("jst", 540),
    ("kst", 540),
    ("acst", 570),
    ("acdt", 630),
    ("aest", 600),
    ("aedt", 660),
    ("nzst", 720),
    ("nzdt", 780),
    ("adt", -180),
    ("ast", -240),
    ("at", -240),
    ("edt", -240),
    ("est", -300),
    ("et", -300),
    ("cdt", -300),
    ("cst", -360),
    ("ct", -360),
    ("mdt", -360),
    ("mst", -420),
    ("mt", -420),
    ("pdt", -420),
    ("pst", -480),
    ("pt", -480),
    ("akdt", -480),
    ("akst", -540),
    ("hst", -600),
    ("nst", -210),
    ("ndt", -150),
    ("brt", -180),
    ("art", -180),
    ("a", -60),
    ("n", 60),
    ("m", -720),
    ("y", 720),
];

/// The offset of the zone that `word` (lower case) names, in minutes.
pub fn zone(word: &str) -> Option<i32> {
    ZONES.iter().find(|(name, _)| *name == word).map(|(_, minutes)| *minutes)
}

/// Whether `word` (lower case) says before or after noon; `Some(true)` for after.
pub fn half_of_day(word: &str) -> Option<bool> {
    match word {
        "am" | "a.m" | "a.m." | "오전" | "上午" | "午前" | "πμ" | "de." => Some(false),
        "pm" | "p.m" | "p.m." | "오후" | "下午" | "午後" | "μμ" | "du." => Some(true),
        _ => None,
    }
}
