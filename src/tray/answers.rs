//! What of Tray's answers is read: pages of lists, and the objects on them.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads a part of an answer's `data`.
///
/// # Errors
/// Names the part; the answer is not what the document asked for.
pub(crate) fn part<T: DeserializeOwned>(data: &Value, path: &[&str]) -> Result<T, String> {
    let part = path.iter().fold(data, |at, name| &at[*name]);
    T::deserialize(part).map_err(|_| format!("the answer has no usable {}", path.join(".")))
}

/// A page of a list (`…Connection` in the schema); [`super::paginate`] reads them all.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "N: Deserialize<'de>"))]
pub(crate) struct Page<N> {
    edges: Vec<Edge<N>>,
    page_info: PageInfo,
}

/// The name until its users page through [`super::paginate`].
pub(crate) use Page as Connection;

#[derive(Debug, Deserialize)]
struct Edge<N> {
    node: N,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    has_next_page: bool,
    end_cursor: Option<String>,
}

impl<N> Page<N> {
    pub(crate) fn has_more(&self) -> bool {
        self.page_info.has_next_page
    }

    /// Where this page ends, if Tray says where.
    pub(crate) fn cursor(&self) -> Option<&str> {
        let cursor = self.page_info.end_cursor.as_deref();
        cursor.filter(|cursor| !cursor.is_empty())
    }

    /// Where the next page starts, if there is one and Tray says where.
    pub(crate) fn next(&self) -> Option<String> {
        let cursor = self.cursor().filter(|_| self.has_more());
        cursor.map(str::to_owned)
    }

    pub(crate) fn nodes(self) -> impl Iterator<Item = N> {
        self.edges.into_iter().map(|edge| edge.node)
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListedUser {
    pub(crate) id: String,
    /// The customer's id; may be absent (`tray-api.md` 2.1).
    pub(crate) external_user_id: Option<String>,
}

/// An authentication as listed: neither credentials nor scopes are shown.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListedAuthentication {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) service_environment: WithId,
}

/// An object of which only the id is of interest.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct WithId {
    pub(crate) id: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListedInstance {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) enabled: bool,
    pub(crate) solution: WithId,
    pub(crate) auth_values: Vec<ListedAuthValue>,
    pub(crate) config_values: Vec<ListedConfigValue>,
}

/// A filled auth slot.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListedAuthValue {
    pub(crate) external_id: String,
    pub(crate) auth_id: String,
}

/// A filled config slot.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListedConfigValue {
    pub(crate) external_id: String,
    #[serde(default)]
    pub(crate) value: Value,
}

/// What a config value as listed may stand for: it is read back as JSON text or as plain text
/// (`tray-api.md` 3.1).
pub(crate) fn readings(listed: &Value) -> Vec<Value> {
    let text = listed.as_str();
    let parsed = text.and_then(|text| serde_json::from_str(text).ok());
    std::iter::once(listed.clone()).chain(parsed).collect()
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListedSolution {
    pub(crate) id: String,
    pub(crate) title: String,
    #[serde(default)]
    pub(crate) config_slots: Vec<ListedSlot>,
    /// Absent where the schema does not show them.
    #[serde(default)]
    pub(crate) auth_slots: Option<Vec<ListedSlot>>,
}

/// A slot of a solution; it may have no External ID.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListedSlot {
    pub(crate) external_id: Option<String>,
}
