//! HTTP: the built site, subscriber links, and the local inbox.
