# What pages and mails say, in English. Copy this file to another language (fr.ftl) and translate the right-hand sides; what is missing there is said in English.
# https://projectfluent.org/fluent/guide/ tells the syntax. { $list } is the name of a list, { $site } that of the publication.

## The foot of every mail
mail-why = You get this because you subscribed to { $list }
mail-why-described = You get this because you subscribed to { $list }: { $description }
mail-unsubscribe = Unsubscribe
mail-preferences = Preferences
mail-view = View in browser
mail-feed = Feed
mail-test = Test message: not sent to subscribers

## Notices: mails that answer a form
confirm-subject = Please confirm: { $list }
confirm-title = Please confirm
confirm-say = Somebody, we think you, asked for { $list } at this address. Press the button, and the next issue comes to you.
confirm-say-text = Somebody, we think you, asked for { $list } at this address. Open this link and press the button, and the next issue comes to you:
confirm-button = Yes, subscribe me
confirm-small = The link is good for a week. If it was not you, do nothing: nothing more is sent.
confirm-why = You get this once, because this address was typed into the form of { $site }
known-subject = You already get { $list }
known-title = You are on the list already
known-say = Somebody, we think you, asked for { $list } at this address. It comes to you already, so there is nothing to do.
known-button = Your subscription
known-small = If issues do not arrive, look into the spam folder, and add { $from } to your contacts.
welcome-subject = Welcome to { $list }
welcome-title = Welcome
welcome-say = { $list } comes to you from the next issue on.
welcome-button = Read what there is
welcome-last = Until then, this is what the last issue brought:

## The page to sign up
subscribe-title = Subscribe
subscribe-to = Subscribe to { $list }
subscribe-email = E-mail address
subscribe-name = Name
subscribe-optional = (if you like)
subscribe-which = Which?
subscribe-empty = Leave this empty
subscribe-wording = Send me { $list }. I can leave with one click in every mail.
subscribe-first = A mail with a link comes first; nothing is sent before you press it.
subscribe-button = Subscribe
subscribe-again = One more click, so that we know it is you.
subscribe-wrong = That did not work: { $why }.
subscribe-wait = One moment: your browser does a little work that keeps robots out.
subscribe-work = This form needs JavaScript: your browser does a little work that keeps robots out. Without it, write to { $address } and ask to be put on the list.
subscribe-unproven = The little work that keeps robots out is still to be done. Press the button once more.
address-empty = the address is empty
address-character = the address has a character that no address has
address-no-at = an address needs an @
address-local = what stands before the @ is not part of an address
address-domain = what stands after the @ is not a mail domain
address-long = the address is too long
sent-title = Check your mail
sent-say = A message is on its way to { $email }. Press the button in it, and you are on the list.
sent-small = Nothing there after a few minutes? Look into the spam folder. Whoever did not ask for it need do nothing.
single-title = Thank you.
single-say = The next issue comes to { $email }.
single-small = If you had left the list before, a mail asks you first whether you want it again.

## The page behind the link to confirm
confirm-page-title = Subscribe to { $list }?
confirm-page-say = One click, and the next issue comes to you.
joined-title = Welcome.
joined-say = { $list } comes to you from the next issue on.
joined-preferences = Your subscription
expired-title = This link is too old.
expired-say = A link to confirm is good for a week.
expired-again = Ask for a new one

## The page to leave
leave-title = Leave { $list }?
leave-say = One click and no further issue is sent to you.
leave-button = Unsubscribe
leave-less = Less often instead
left-title = You have left { $list }.
left-say = No further issue is sent to you. There is nothing else to do.
left-mistake = A mistake?
left-undo = Undo: keep sending it to me
back-title = Welcome back.
back-say = { $list } is sent to you again, from the next issue on.

## Digests and letters
digest-hello-to = Hello
digest-hello-friend = Hello friend
digest-count =
    { $articles ->
        [one] One new article for you, about { $minutes } { $minutes ->
            [one] minute
           *[other] minutes
        } of reading.
       *[other] { $articles } new articles for you, about { $minutes } { $minutes ->
            [one] minute
           *[other] minutes
        } of reading.
    }
digest-rest = Other
digest-corrected = Corrected since
digest-number = No. { $number }
minutes = { $minutes } min
read = Read the article
read-at = Read at { $title }
read-web = Read on the web

## Dates, written out
date-long = { $day } { $month } { $year }
month-1 = January
month-2 = February
month-3 = March
month-4 = April
month-5 = May
month-6 = June
month-7 = July
month-8 = August
month-9 = September
month-10 = October
month-11 = November
month-12 = December

## A link that cannot be followed
invalid-title = This link does not work.
invalid-say = It may have been cut in two by a mail program. Open it from the mail again, or copy it whole.

## The page of preferences
preferences-title = Your subscription
preferences-for = Mail goes to { $email }.
preferences-saved = Saved.
preferences-moving = A mail is on its way to the new address. Press the button in it, and your mail goes there from then on.
preferences-bad-zone = There is no such time zone; nothing was changed.
preferences-bad-pause = Write a date within the next three years; nothing was changed.
preferences-bad-address = This is not an e-mail address; nothing was changed.
preferences-not-sure = Tick the box if you are sure; nothing was deleted.
preferences-on = Send it to me
preferences-rhythm = How often?
rhythm-each = Each issue when it comes out
rhythm-daily = Once a day
rhythm-weekly = Once a week, all in one
rhythm-monthly = Once a month, all in one
preferences-topics = What about?
preferences-you = About you
preferences-language = Language
preferences-language-any = As the publication writes
language-name = English
preferences-zone = Time zone
preferences-zone-any = That of the publication
preferences-pause = No mail until
preferences-pause-say = (a holiday; empty for none)
preferences-save = Save
preferences-address = A new address
preferences-address-new = Send my mail to
preferences-address-button = Change address
preferences-data = Your data
preferences-data-get = Download everything we hold about you (JSON)
preferences-erase-sure = Delete everything about me. No mail comes any more, and this cannot be undone.
preferences-erase = Delete me
note-erased-title = You are forgotten.
note-erased-say = Everything about you is deleted. A fingerprint of the address stays, so that nobody adds it again.
note-move-title = Is this your address?
note-move-say = One click, and your mail comes here instead.
note-move-button = Yes, send it here
note-moved-title = That is done.
note-moved-say = Your mail comes to this address from now on.
note-move-expired-title = This link is too old.
note-move-expired-say = A link to a new address is good for a week. Ask again from the page of your subscription.

## Mails about a new address
move-subject = Is this your new address?
move-title = Your new address
move-say = Somebody who reads { $site }, we think you, wants to be written to at this address. Press the button, and mail comes here instead.
move-say-text = Somebody who reads { $site }, we think you, wants to be written to at this address. Open this link and press the button, and mail comes here instead:
move-button = Yes, send it here
move-why = You get this once, because a reader of { $site } gave this address as theirs
moving-subject = Your address is about to change
moving-title = A new address
moving-say = Somebody, we think you, asked { $site } to write to another address. Once that address says yes, mail goes there. If it was not you, nothing need be done; keep your mails to yourself, because their links open your subscription.

## The pages of the site
nav-site = Site
nav-skip = Skip to the text
nav-articles = Articles
nav-archive = Archive
nav-feeds = Feeds
nav-subscribe = Subscribe
feeds-all = All feeds
article-changed = changed
article-from = from
article-others = Other articles
newer = Newer
older = Older
pages = Pages
page-number = page { $number }
page-of = { $number } of { $count }
list-empty = Nothing is published yet.
topic-tag = Tagged
topic-author = By
topic-count =
    { $count ->
        [one] One article
       *[other] { $count } articles
    }
topic-follow = Follow:
moved = This has moved:

## The page of feeds
feeds-say = A feed tells your reader when something new is here. Copy an address into a feed reader such as NetNewsWire, Feedly, Miniflux or Thunderbird; no account and no e-mail address is needed.
feeds-feed = Feed
feeds-format = Format
feeds-address = Address
feeds-tags = By tag
feeds-authors = By author
feeds-mail = You would rather get mail?

## The archive: what was sent
archive-say = What was sent, to read again and to search.
archive-latest = Latest:
archive-issues =
    { $count ->
        [0] No issue yet
        [one] One issue
       *[other] { $count } issues
    }
archive-empty = Nothing has been sent yet. The first issue will be here.
archive-past = Read past issues
archive-search = Search
archive-search-in = Search { $list }
archive-found =
    { $count ->
        [0] No issue has “{ $words }”.
        [one] One issue has “{ $words }”.
       *[other] { $count } issues have “{ $words }”.
    }
archive-all = All issues
archive-others = Other issues
archive-comes = { $list } comes by mail. You can leave with one click.
