//! One catalog file: a connector, the versions that share a schema, its service and environments.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::CatalogError;
use super::schema::Schema;
use crate::issue::did_you_mean;

/// What one catalog file says.
#[derive(Debug)]
pub struct Entry {
    /// The connector's name, as in Tray's workflow builder; not always the service's name.
    pub connector: String,
    /// The connector versions that this entry holds for.
    pub versions: Vec<String>,
    /// The service that authentications of this connector belong to.
    pub service: Service,
    /// How the service authenticates.
    pub auth_type: AuthType,
    /// Whether the partner owns the service, so that OAuth credentials may be imported.
    pub own_service: bool,
    /// Whether credentials may carry fields that the schema does not know (own services only).
    pub allow_extra_fields: bool,
    /// The service environments, at least one.
    pub environments: Vec<Environment>,
    /// The file that says so.
    pub file: PathBuf,
}

/// A Tray service: what an authentication is made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// GraphQL's `serviceId`.
    pub id: String,
    /// The service's name.
    pub name: String,
    /// The service's version: a number in the platform API, a string in GraphQL.
    pub version: i64,
}

/// A service environment and the schemas of its credentials.
#[derive(Debug)]
pub struct Environment {
    /// GraphQL's `serviceEnvironmentId`.
    pub id: String,
    /// The title, `Production` by default.
    pub title: String,
    /// For `data`.
    pub credentials: Schema,
    /// For `formData`.
    pub user_data: Schema,
    /// The OAuth scopes on offer, in whatever form Tray publishes them; empty where the entry has none.
    pub scopes: Vec<Value>,
}

impl Environment {
    /// The scopes' names: `{scope, description}` as Tray's documentation has them, or plain texts.
    pub fn scope_names(&self) -> impl Iterator<Item = &str> {
        self.scopes
            .iter()
            .filter_map(|scope| scope.as_str().or_else(|| scope["scope"].as_str()))
    }
}

/// How a service authenticates: `authenticationType` of the platform API (`tray-api.md` 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthType {
    /// Keys, tokens or passwords: what the import is made for.
    Token,
    /// OAuth 2 with a user's consent: importable only for an own service.
    Oauth2,
    /// OAuth 1: refused.
    Oauth1,
    /// OAuth 2 password grant: nobody documents how to import it; refused.
    Oauth2Password,
    /// OAuth 2 client credentials: nobody documents how to import it; refused.
    Oauth2ClientCredentials,
    /// Built into Tray: nothing to import; refused.
    Builtin,
}

impl AuthType {
    /// Every type, the ones that can be imported first.
    pub const ALL: [AuthType; 6] = [
        AuthType::Token,
        AuthType::Oauth2,
        AuthType::Oauth1,
        AuthType::Oauth2Password,
        AuthType::Oauth2ClientCredentials,
        AuthType::Builtin,
    ];

    /// The platform API's name of the type.
    pub fn as_str(self) -> &'static str {
        match self {
            AuthType::Token => "token",
            AuthType::Oauth2 => "oauth2",
            AuthType::Oauth1 => "oauth1",
            AuthType::Oauth2Password => "oauth2password",
            AuthType::Oauth2ClientCredentials => "oauth2client_credentials",
            AuthType::Builtin => "builtin",
        }
    }
}

impl Entry {
    /// Reads one catalog file's content.
    ///
    /// # Errors
    /// Names the file and the key that is missing, of the wrong form, or a near miss of a known one.
    pub fn parse(value: &Value, path: &Path) -> Result<Entry, CatalogError> {
        let file = Reader { path };
        let top = file.object(value, "")?;
        file.known(
            top,
            "",
            &[
                "connector",
                "versions",
                "service",
                "authType",
                "ownService",
                "environments",
                "allowExtraFields",
            ],
        )?;
        let versions = file.strings(top, "", "versions")?;
        if versions.is_empty() {
            return Err(file.wrong("versions", "must name at least one connector version"));
        }
        let service = file.object(file.required(top, "", "service")?, "service")?;
        file.known(service, "service.", &["id", "name", "version"])?;
        let auth_type = file.text(top, "", "authType")?;
        let auth_type = AuthType::ALL
            .into_iter()
            .find(|known| known.as_str() == auth_type)
            .ok_or_else(|| {
                let names: Vec<_> = AuthType::ALL.iter().map(|t| t.as_str()).collect();
                file.wrong("authType", &format!("must be one of {}", names.join(", ")))
            })?;
        let own_service = file.flag(top, "ownService")?;
        let allow_extra_fields = file.flag(top, "allowExtraFields")?;
        let environments = file
            .required(top, "", "environments")?
            .as_array()
            .filter(|list| !list.is_empty())
            .ok_or_else(|| file.wrong("environments", "must be a list of at least one"))?
            .iter()
            .enumerate()
            .map(|(index, value)| {
                file.environment(value, &format!("environments[{index}]"), allow_extra_fields)
            })
            .collect::<Result<_, _>>()?;
        Ok(Entry {
            connector: file.text(top, "", "connector")?,
            versions,
            service: Service {
                id: file.text(service, "service.", "id")?,
                name: file.text(service, "service.", "name")?,
                version: file.version(service)?,
            },
            auth_type,
            own_service,
            allow_extra_fields,
            environments,
            file: path.to_owned(),
        })
    }

    /// Whether credentials of this entry can be imported at all: a third party's OAuth tokens cannot.
    pub fn importable(&self) -> bool {
        match self.auth_type {
            AuthType::Token => true,
            AuthType::Oauth2 => self.own_service,
            _ => false,
        }
    }

    /// What each schema of the entry had to be read past, for `catalog check`: key and remark.
    pub fn remarks(&self) -> impl Iterator<Item = (String, &str)> {
        self.environments.iter().enumerate().flat_map(|(index, e)| {
            let parts = [("credentials", &e.credentials), ("userData", &e.user_data)];
            parts.into_iter().flat_map(move |(part, schema)| {
                let key = format!("environments[{index}].{part}");
                let remarks = schema.remarks.iter();
                remarks.map(move |remark| (key.clone(), remark.as_str()))
            })
        })
    }
}

/// Reads values out of one file and knows its name for the errors.
struct Reader<'p> {
    path: &'p Path,
}

impl Reader<'_> {
    fn wrong(&self, key: &str, message: &str) -> CatalogError {
        CatalogError::Key {
            path: self.path.to_owned(),
            key: if key.is_empty() { "(top)" } else { key }.to_owned(),
            message: message.to_owned(),
        }
    }

    fn object<'v>(
        &self,
        value: &'v Value,
        key: &str,
    ) -> Result<&'v Map<String, Value>, CatalogError> {
        value
            .as_object()
            .ok_or_else(|| self.wrong(key, "must be an object"))
    }

    /// A key that is nearly a known one is a slip and would be ignored in silence; any other unknown key
    /// is somebody's note and is left alone.
    fn known(
        &self,
        map: &Map<String, Value>,
        prefix: &str,
        names: &[&str],
    ) -> Result<(), CatalogError> {
        for key in map.keys() {
            if !names.contains(&key.as_str()) {
                let hint = did_you_mean(key, names.iter().copied());
                if !hint.is_empty() {
                    let message = format!("is not a key of a catalog file{hint}");
                    return Err(self.wrong(&format!("{prefix}{key}"), &message));
                }
            }
        }
        Ok(())
    }

    fn required<'v>(
        &self,
        map: &'v Map<String, Value>,
        prefix: &str,
        key: &str,
    ) -> Result<&'v Value, CatalogError> {
        map.get(key)
            .ok_or_else(|| self.wrong(&format!("{prefix}{key}"), "is missing"))
    }

    fn text(
        &self,
        map: &Map<String, Value>,
        prefix: &str,
        key: &str,
    ) -> Result<String, CatalogError> {
        self.required(map, prefix, key)?
            .as_str()
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
            .ok_or_else(|| self.wrong(&format!("{prefix}{key}"), "must be text and not empty"))
    }

    fn strings(
        &self,
        map: &Map<String, Value>,
        prefix: &str,
        key: &str,
    ) -> Result<Vec<String>, CatalogError> {
        let wrong = || {
            let message = "must be a list of texts, such as [\"2.0\", \"2.1\"]";
            self.wrong(&format!("{prefix}{key}"), message)
        };
        self.required(map, prefix, key)?
            .as_array()
            .ok_or_else(wrong)?
            .iter()
            .map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong))
            .collect()
    }

    fn flag(&self, map: &Map<String, Value>, key: &str) -> Result<bool, CatalogError> {
        match map.get(key) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(self.wrong(key, "must be true or false")),
        }
    }

    /// A number here, but a string in GraphQL; both are taken.
    fn version(&self, service: &Map<String, Value>) -> Result<i64, CatalogError> {
        let value = self.required(service, "service.", "version")?;
        value
            .as_i64()
            .or_else(|| value.as_str().and_then(|text| text.parse().ok()))
            .ok_or_else(|| self.wrong("service.version", "must be a whole number"))
    }

    fn environment(
        &self,
        value: &Value,
        key: &str,
        allow_extra_fields: bool,
    ) -> Result<Environment, CatalogError> {
        let map = self.object(value, key)?;
        let prefix = format!("{key}.");
        self.known(
            map,
            &prefix,
            &["id", "title", "credentials", "userData", "scopes"],
        )?;
        let schema = |name: &str| {
            let empty = Value::Object(Map::new());
            let value = map.get(name).unwrap_or(&empty);
            if !value.is_object() {
                return Err(self.wrong(&format!("{prefix}{name}"), "must be a JSON Schema object"));
            }
            Schema::compile(value, allow_extra_fields)
                .map_err(|message| self.wrong(&format!("{prefix}{name}"), &message))
        };
        Ok(Environment {
            id: self.text(map, &prefix, "id")?,
            title: match map.get("title") {
                None => String::new(),
                Some(title) => title
                    .as_str()
                    .map(str::to_owned)
                    .ok_or_else(|| self.wrong(&format!("{prefix}title"), "must be text"))?,
            },
            credentials: schema("credentials")?,
            user_data: schema("userData")?,
            scopes: match map.get("scopes") {
                None => Vec::new(),
                Some(scopes) => scopes
                    .as_array()
                    .cloned()
                    .ok_or_else(|| self.wrong(&format!("{prefix}scopes"), "must be a list"))?,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn good() -> Value {
        json!({
            "connector": "sqs", "versions": ["2.0"],
            "service": {"id": "s", "name": "sqs", "version": "1"},
            "authType": "token",
            "environments": [{"id": "e", "title": "Production", "credentials": {}}],
        })
    }

    fn error(change: impl FnOnce(&mut Value)) -> String {
        let mut value = good();
        change(&mut value);
        Entry::parse(&value, Path::new("catalog/sqs.json"))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn mistakes_name_the_file_and_the_key() {
        assert_eq!(
            Entry::parse(&good(), Path::new("x"))
                .unwrap()
                .service
                .version,
            1
        );
        for (message, part) in [
            (
                error(|v| v["versions"] = json!("2.0")),
                "versions: must be a list",
            ),
            (
                error(|v| v["service"]["id"] = json!("")),
                "service.id: must be text",
            ),
            (
                error(|v| v["authType"] = json!("oauth")),
                "authType: must be one of token",
            ),
            (
                error(|v| v["environments"] = json!([])),
                "environments: must be a list",
            ),
            (
                error(|v| v["environments"][0]["id"] = json!(1)),
                "environments[0].id",
            ),
            (
                error(|v| v["allowExtraField"] = json!(true)),
                "did you mean \"allowExtraFields\"?",
            ),
        ] {
            assert!(message.contains("catalog/sqs.json"), "{message}");
            assert!(message.contains(part), "{message}");
        }
    }
}
