//! Reading a list of Tray's to its end, page by page.
//!
//! What is missing from a list counts as absent, and what is absent gets created. So a list is whole or it is an
//! error: a cursor that comes back, a next page without a cursor and a list that never ends all say so, and none
//! of them passes for a short list or for a reason to ask for ever.

use std::collections::HashSet;
use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::operations::{PAGE, Page, part};
use super::outcome::Trouble;

/// A million objects. Tray names no limit (`tray-api.md` 9); this tool is made for customer bases of 100,000, and
/// this many pages take seven minutes at the usual pace.
const MOST_PAGES: usize = 10_000;

/// The pages of one list. The caller makes the calls, with whatever token the list needs, and may stop early:
///
/// ```ignore
/// let mut users = paginate::<ListedUser>(&["users"]);
/// while users.more() {
///     let data = client.call(&USERS, ops::users(None, users.after()), master).await?;
///     for user in users.receive(&data)? { … }
/// }
/// ```
#[derive(Debug)]
pub struct Pages<N> {
    path: &'static [&'static str],
    after: Option<String>,
    whole: bool,
    /// Every cursor so far; as a digest, since a server chooses how long they are.
    cursors: HashSet<blake3::Hash>,
    pages: usize,
    nodes: PhantomData<fn() -> N>,
}

/// Starts to read the list that stands at `path` of each answer's `data`.
pub fn paginate<N: DeserializeOwned>(path: &'static [&'static str]) -> Pages<N> {
    Pages {
        path,
        after: None,
        whole: false,
        cursors: HashSet::new(),
        pages: 0,
        nodes: PhantomData,
    }
}

impl<N: DeserializeOwned> Pages<N> {
    /// Whether there is a page to ask for. Once there is none, the list has been read to its end.
    pub fn more(&self) -> bool {
        !self.whole
    }

    /// The cursor after which the next page starts.
    pub fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// How many pages have been read.
    pub fn count(&self) -> usize {
        self.pages
    }

    /// The objects of the page that `data` holds.
    ///
    /// # Errors
    /// [`Trouble::Open`] for an answer without the list, [`Trouble::Refused`] for a list without an end.
    pub fn receive(&mut self, data: &Value) -> Result<impl Iterator<Item = N> + use<N>, Trouble> {
        let page: Page<N> = part(data, self.path).map_err(Trouble::Open)?;
        self.pages += 1;
        if page.has_more() {
            let why = match page.cursor() {
                None => Some("there are more, but the answer holds no cursor to the next page"),
                Some(cursor) if !self.cursors.insert(blake3::hash(cursor.as_bytes())) => {
                    Some("the answer leads back to a page that has been read already")
                }
                Some(_) if self.pages >= MOST_PAGES => Some("it has no end"),
                Some(_) => None,
            };
            if let Some(why) = why {
                return Err(Trouble::Refused(format!(
                    "Tray's list {} cannot be read to its end: after {} pages of {PAGE}, {why}",
                    self.path.join("."),
                    self.pages
                )));
            }
        }
        self.whole = !page.has_more();
        self.after = page.cursor().map(str::to_owned);
        Ok(page.nodes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tray::operations::WithId;
    use serde_json::json;

    fn page(more: bool, cursor: Option<&str>) -> Value {
        json!({"users": {"edges": [{"node": {"id": "x"}}],
            "pageInfo": {"hasNextPage": more, "endCursor": cursor}}})
    }

    fn pages() -> Pages<WithId> {
        paginate(&["users"])
    }

    fn refused(pages: &mut Pages<WithId>, data: &Value) -> String {
        match pages.receive(data).map(Iterator::count) {
            Err(Trouble::Refused(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_list_is_read_to_its_end() {
        let mut pages = pages();
        assert_eq!((pages.more(), pages.after()), (true, None));
        assert_eq!(pages.receive(&page(true, Some("a"))).unwrap().count(), 1);
        assert_eq!((pages.more(), pages.after()), (true, Some("a")));
        assert_eq!(pages.receive(&page(true, Some("b"))).unwrap().count(), 1);
        assert_eq!(pages.receive(&page(false, Some("b"))).unwrap().count(), 1);
        assert_eq!((pages.more(), pages.count()), (false, 3));
    }

    #[test]
    fn a_circle_of_any_length_is_an_error() {
        let mut pages = pages();
        for cursor in ["a", "b", "c"] {
            assert!(pages.receive(&page(true, Some(cursor))).is_ok());
        }
        assert!(refused(&mut pages, &page(true, Some("a"))).contains("leads back"));
    }

    #[test]
    fn more_without_a_cursor_is_an_error() {
        for cursor in [None, Some("")] {
            assert!(refused(&mut pages(), &page(true, cursor)).contains("no cursor"));
        }
    }

    #[test]
    fn a_list_without_an_end_is_an_error() {
        let mut pages = pages();
        for n in 1..MOST_PAGES {
            assert!(pages.receive(&page(true, Some(&n.to_string()))).is_ok());
        }
        assert!(refused(&mut pages, &page(true, Some("one more"))).contains("no end"));
    }

    #[test]
    fn an_answer_without_the_list_is_open() {
        for data in [
            json!({}),
            json!({"users": null}),
            json!({"users": {"edges": []}}),
        ] {
            let answer = pages().receive(&data).map(Iterator::count);
            assert!(matches!(answer, Err(Trouble::Open(_))), "{data}");
        }
    }
}
