//! What of Tray's answers is read: pages of lists, and the objects on them.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads a part of an answer's `data`.
///
/// # Errors
/// Names the part; the answer is not what the document asked for.
pub fn part<T: DeserializeOwned>(data: &Value, path: &[&str]) -> Result<T, String> {
    let part = path.iter().fold(data, |at, name| &at[*name]);
    T::deserialize(part).map_err(|_| format!("the answer has no usable {}", path.join(".")))
}

/// A page of a list (`…Connection` in the schema); [`super::paginate`] reads them all.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "N: Deserialize<'de>"))]
pub struct Page<N> {
    edges: Vec<Edge<N>>,
    page_info: PageInfo,
}

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
    pub fn has_more(&self) -> bool {
        self.page_info.has_next_page
    }

    /// Where this page ends, if Tray says where.
    pub fn cursor(&self) -> Option<&str> {
        let cursor = self.page_info.end_cursor.as_deref();
        cursor.filter(|cursor| !cursor.is_empty())
    }

    pub fn nodes(self) -> impl Iterator<Item = N> {
        self.edges.into_iter().map(|edge| edge.node)
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedUser {
    pub id: String,
    /// The customer's id; may be absent (`tray-api.md` 2.1).
    pub external_user_id: Option<String>,
}

/// An authentication as listed: neither credentials nor scopes are shown.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedAuthentication {
    pub id: String,
    pub name: String,
    pub service_environment: WithId,
}

/// An object of which only the id is of interest.
#[derive(Clone, Debug, Deserialize)]
pub struct WithId {
    pub id: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedInstance {
    pub id: String,
    pub name: String,
    pub enabled: bool,
    pub solution: WithId,
    pub auth_values: Vec<ListedAuthValue>,
    pub config_values: Vec<ListedConfigValue>,
}

impl ListedInstance {
    /// Whether it is the instance of this name of this solution: what tells an end user's instances apart.
    pub fn is_of(&self, solution_id: &str, name: &str) -> bool {
        self.solution.id == solution_id && self.name == name
    }
}

/// A filled auth slot.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedAuthValue {
    pub external_id: String,
    pub auth_id: String,
}

/// A filled config slot.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedConfigValue {
    pub external_id: String,
    #[serde(default)]
    pub value: Value,
}

/// What a config value as listed may stand for: it is read back as JSON text or as plain text
/// (`tray-api.md` 3.1).
pub fn readings(listed: &Value) -> Vec<Value> {
    let text = listed.as_str();
    let parsed = text.and_then(|text| serde_json::from_str(text).ok());
    std::iter::once(listed.clone()).chain(parsed).collect()
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedSolution {
    pub id: String,
    pub title: String,
    #[serde(default)]
    pub config_slots: Vec<ListedSlot>,
    /// Absent where the schema does not show them.
    #[serde(default)]
    pub auth_slots: Option<Vec<ListedSlot>>,
}

/// A slot of a solution; it may have no External ID.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedSlot {
    pub external_id: Option<String>,
}
