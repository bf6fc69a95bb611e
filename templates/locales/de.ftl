# Was Seiten und Mails sagen, auf Deutsch.

## Der Fuß jeder Mail
mail-why = Sie bekommen diese Mail, weil Sie { $list } abonniert haben
mail-why-described = Sie bekommen diese Mail, weil Sie { $list } abonniert haben: { $description }
mail-unsubscribe = Abbestellen
mail-preferences = Einstellungen
mail-view = Im Browser ansehen
mail-feed = Feed
mail-test = Testnachricht: sie geht nicht an die Abonnenten

## Mails, die auf ein Formular antworten
confirm-subject = Bitte bestätigen: { $list }
confirm-title = Bitte bestätigen
confirm-say = Jemand, vermutlich Sie, möchte { $list } an diese Adresse. Drücken Sie den Knopf, und die nächste Ausgabe kommt zu Ihnen.
confirm-say-text = Jemand, vermutlich Sie, möchte { $list } an diese Adresse. Öffnen Sie diesen Link und drücken Sie den Knopf, und die nächste Ausgabe kommt zu Ihnen:
confirm-button = Ja, ich möchte sie bekommen
confirm-small = Der Link gilt eine Woche. Waren Sie es nicht, brauchen Sie nichts zu tun: Es kommt nichts weiter.
confirm-why = Sie bekommen diese Mail einmal, weil diese Adresse in das Formular von { $site } eingetragen wurde
known-subject = Sie bekommen { $list } schon
known-title = Sie stehen schon auf der Liste
known-say = Jemand, vermutlich Sie, möchte { $list } an diese Adresse. Dorthin kommt es schon; es ist nichts zu tun.
known-button = Ihr Abonnement
known-small = Kommen Ausgaben nicht an, sehen Sie im Spam-Ordner nach und nehmen Sie { $from } in Ihre Kontakte auf.
welcome-subject = Willkommen bei { $list }
welcome-title = Willkommen
welcome-say = { $list } kommt von der nächsten Ausgabe an zu Ihnen.
welcome-button = Lesen, was es schon gibt
welcome-last = Bis dahin: Das brachte die letzte Ausgabe.

## Die Seite zum Abonnieren
subscribe-title = Abonnieren
subscribe-to = { $list } abonnieren
subscribe-email = E-Mail-Adresse
subscribe-name = Name
subscribe-optional = (wenn Sie mögen)
subscribe-which = Welche?
subscribe-empty = Bitte leer lassen
subscribe-wording = Schicken Sie mir { $list }. Ich kann es in jeder Mail mit einem Klick abbestellen.
subscribe-first = Zuerst kommt eine Mail mit einem Link; bevor Sie ihn öffnen und bestätigen, schicken wir nichts.
subscribe-button = Abonnieren
subscribe-again = Noch ein Klick, damit wir wissen, dass Sie es sind.
subscribe-wrong = Das ging nicht: { $why }.
subscribe-wait = Einen Moment: Ihr Browser rechnet ein wenig, das hält Roboter fern.
subscribe-work = Dieses Formular braucht JavaScript: Ihr Browser rechnet ein wenig, das hält Roboter fern. Ohne geht es auch: Schreiben Sie an { $address } und bitten Sie darum, auf die Liste zu kommen.
subscribe-unproven = Die kleine Rechnung, die Roboter fernhält, fehlt noch. Drücken Sie den Knopf noch einmal.
address-empty = die Adresse fehlt
address-character = die Adresse hat ein Zeichen, das in keiner Adresse steht
address-no-at = eine Adresse braucht ein @
address-local = was vor dem @ steht, gehört zu keiner Adresse
address-domain = was nach dem @ steht, ist keine Mail-Domain
address-long = die Adresse ist zu lang
sent-title = Sehen Sie in Ihr Postfach
sent-say = Eine Nachricht ist auf dem Weg zu { $email }. Drücken Sie den Knopf darin, und Sie stehen auf der Liste.
sent-small = Nach ein paar Minuten nichts da? Sehen Sie im Spam-Ordner nach. Wer nicht gefragt hat, braucht nichts zu tun.
single-title = Danke.
single-say = Die nächste Ausgabe kommt an { $email }.
single-small = Hatten Sie die Liste schon einmal verlassen, fragt zuerst eine Mail, ob Sie sie wieder möchten.

## Die Seite hinter dem Link zum Bestätigen
confirm-page-title = { $list } abonnieren?
confirm-page-say = Ein Klick, und die nächste Ausgabe kommt zu Ihnen.
joined-title = Willkommen.
joined-say = { $list } kommt von der nächsten Ausgabe an zu Ihnen.
joined-preferences = Ihr Abonnement
expired-title = Dieser Link ist zu alt.
expired-say = Ein Link zum Bestätigen gilt eine Woche.
expired-again = Einen neuen anfordern

## Die Seite zum Abbestellen
leave-title = { $list } abbestellen?
leave-say = Ein Klick, und es kommt keine Ausgabe mehr zu Ihnen.
leave-button = Abbestellen
leave-less = Lieber seltener
left-title = Sie haben { $list } abbestellt.
left-say = Es kommt keine Ausgabe mehr zu Ihnen. Sonst ist nichts zu tun.
left-mistake = Ein Versehen?
left-undo = Rückgängig: weiter schicken
back-title = Willkommen zurück.
back-say = { $list } kommt von der nächsten Ausgabe an wieder zu Ihnen.

## Ausgaben
digest-hello-to = Hallo
digest-hello-friend = Hallo
digest-count =
    { $articles ->
        [one] Ein neuer Artikel für Sie, etwa { $minutes } { $minutes ->
            [one] Minute
           *[other] Minuten
        } zu lesen.
       *[other] { $articles } neue Artikel für Sie, etwa { $minutes } { $minutes ->
            [one] Minute
           *[other] Minuten
        } zu lesen.
    }
digest-rest = Weiteres
digest-corrected = Inzwischen berichtigt
digest-number = Nr. { $number }
minutes = { $minutes } Min.
read = Den Artikel lesen
read-at = Lesen bei { $title }
read-web = Im Web lesen

## Daten, ausgeschrieben
date-long = { $day }. { $month } { $year }
month-1 = Januar
month-2 = Februar
month-3 = März
month-4 = April
month-5 = Mai
month-6 = Juni
month-7 = Juli
month-8 = August
month-9 = September
month-10 = Oktober
month-11 = November
month-12 = Dezember

## Ein Link, dem man nicht folgen kann
invalid-title = Dieser Link funktioniert nicht.
invalid-say = Vielleicht hat ihn ein Mailprogramm in zwei Teile geschnitten. Öffnen Sie ihn noch einmal aus der Mail oder kopieren Sie ihn ganz.

## Die Seite der Einstellungen
preferences-title = Ihr Abonnement
preferences-for = Die Mails gehen an { $email }.
preferences-saved = Gespeichert.
preferences-moving = Eine Mail ist auf dem Weg an die neue Adresse. Drücken Sie den Knopf darin, und Ihre Mails gehen von da an dorthin.
preferences-bad-zone = Diese Zeitzone gibt es nicht; nichts wurde geändert.
preferences-bad-pause = Bitte ein Datum in den nächsten drei Jahren; nichts wurde geändert.
preferences-bad-address = Das ist keine E-Mail-Adresse; nichts wurde geändert.
preferences-not-sure = Setzen Sie das Häkchen, wenn Sie sicher sind; nichts wurde gelöscht.
preferences-on = Schicken Sie es mir
preferences-rhythm = Wie oft?
rhythm-each = Jede Ausgabe, wenn sie erscheint
rhythm-daily = Einmal am Tag
rhythm-weekly = Einmal in der Woche, alles in einem
rhythm-monthly = Einmal im Monat, alles in einem
preferences-topics = Worüber?
preferences-you = Über Sie
preferences-language = Sprache
preferences-language-any = Wie die Publikation schreibt
language-name = Deutsch
preferences-zone = Zeitzone
preferences-zone-any = Die der Publikation
preferences-pause = Keine Mail bis
preferences-pause-say = (Urlaub; leer heißt keine Pause)
preferences-save = Speichern
preferences-address = Eine neue Adresse
preferences-address-new = Meine Mails an
preferences-address-button = Adresse ändern
preferences-data = Ihre Daten
preferences-data-get = Alles herunterladen, was wir über Sie gespeichert haben (JSON)
preferences-erase-sure = Alles über mich löschen. Es kommt keine Mail mehr, und das lässt sich nicht rückgängig machen.
preferences-erase = Mich löschen
note-erased-title = Sie sind vergessen.
note-erased-say = Alles über Sie ist gelöscht. Ein Fingerabdruck der Adresse bleibt, damit niemand sie wieder einträgt.
note-move-title = Ist das Ihre Adresse?
note-move-say = Ein Klick, und Ihre Mails kommen hierher.
note-move-button = Ja, hierher
note-moved-title = Das ist erledigt.
note-moved-say = Ihre Mails kommen von jetzt an an diese Adresse.
note-move-expired-title = Dieser Link ist zu alt.
note-move-expired-say = Ein Link zu einer neuen Adresse gilt eine Woche. Fragen Sie auf der Seite Ihres Abonnements noch einmal.

## Mails über eine neue Adresse
move-subject = Ist das Ihre neue Adresse?
move-title = Ihre neue Adresse
move-say = Jemand, der { $site } liest, vermutlich Sie, möchte seine Mails an diese Adresse. Drücken Sie den Knopf, und sie kommen hierher.
move-say-text = Jemand, der { $site } liest, vermutlich Sie, möchte seine Mails an diese Adresse. Öffnen Sie diesen Link und drücken Sie den Knopf, und sie kommen hierher:
move-button = Ja, hierher
move-why = Sie bekommen diese Mail einmal, weil jemand, der { $site } liest, diese Adresse als seine genannt hat
moving-subject = Ihre Adresse soll sich ändern
moving-title = Eine neue Adresse
moving-say = Jemand, vermutlich Sie, hat { $site } gebeten, an eine andere Adresse zu schreiben. Sobald sie zustimmt, gehen die Mails dorthin. Waren Sie es nicht, ist nichts zu tun; geben Sie Ihre Mails nicht weiter, denn ihre Links öffnen Ihr Abonnement.

## Die Seiten der Website
nav-site = Website
nav-skip = Zum Text springen
nav-articles = Artikel
nav-archive = Archiv
nav-feeds = Feeds
nav-subscribe = Abonnieren
feeds-all = Alle Feeds
article-changed = geändert am
article-from = von
article-others = Weitere Artikel
newer = Neuer
older = Älter
pages = Seiten
page-number = Seite { $number }
page-of = { $number } von { $count }
list-empty = Noch ist nichts erschienen.
topic-tag = Schlagwort
topic-author = Von
topic-count =
    { $count ->
        [one] Ein Artikel
       *[other] { $count } Artikel
    }
topic-follow = Folgen mit:
moved = Das steht jetzt hier:

## Die Seite der Feeds
feeds-say = Ein Feed sagt Ihrem Leseprogramm, wenn es hier etwas Neues gibt. Kopieren Sie eine Adresse in ein Programm wie NetNewsWire, Feedly, Miniflux oder Thunderbird; Sie brauchen dafür kein Konto und keine E-Mail-Adresse.
feeds-feed = Feed
feeds-format = Format
feeds-address = Adresse
feeds-tags = Nach Schlagwort
feeds-authors = Nach Autor
feeds-mail = Lieber per Mail?

## Das Archiv: was verschickt wurde
archive-say = Was verschickt wurde, zum Nachlesen und Suchen.
archive-latest = Zuletzt:
archive-issues =
    { $count ->
        [0] Noch keine Ausgabe
        [one] Eine Ausgabe
       *[other] { $count } Ausgaben
    }
archive-empty = Noch wurde nichts verschickt. Die erste Ausgabe steht dann hier.
archive-past = Frühere Ausgaben lesen
archive-search = Suchen
archive-search-in = Suche in { $list }
archive-found =
    { $count ->
        [0] „{ $words }“ steht in keiner Ausgabe.
        [one] „{ $words }“ steht in einer Ausgabe.
       *[other] „{ $words }“ steht in { $count } Ausgaben.
    }
archive-all = Alle Ausgaben
archive-others = Weitere Ausgaben
archive-comes = { $list } kommt per Mail. Abbestellen geht mit einem Klick.
