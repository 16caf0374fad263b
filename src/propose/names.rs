//! How alike two names are.

use crate::catalog::outline::words;

/// A name by its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(Vec<String>);

/// Words that a name is as good without: whose thing it is rather than what it is.
const NOISE: [&str; 14] = [
    "my",
    "our",
    "their",
    "the",
    "tray",
    "aws",
    "amazon",
    "google",
    "gcp",
    "azure",
    "microsoft",
    "ms",
    "export",
    "current",
];

impl Name {
    /// The words of a name.
    pub fn of(text: &str) -> Name {
        Name(words(text))
    }

    fn joined(&self) -> String {
        self.0.concat()
    }

    /// Without noise, and without these words.
    fn bare(&self, without: &[String]) -> Name {
        let keep = |word: &&String| !NOISE.contains(&word.as_str()) && !without.contains(word);
        Name(self.0.iter().filter(keep).cloned().collect())
    }

    fn holds(&self, other: &Name) -> bool {
        !other.0.is_empty() && other.0.iter().all(|word| self.0.contains(word))
    }
}

/// What a column may be called that fills a field.
#[derive(Clone, Debug)]
pub struct Names {
    /// The field's own name, and its title.
    pub own: Vec<Name>,
    /// Other usual names of the same thing.
    pub others: Vec<Name>,
    /// Names that it has where nothing else has a better one.
    pub weak: Vec<Name>,
    /// Words that may stand in a column's name besides, such as the connector's name.
    pub without: Vec<String>,
    /// Whether a name that only holds the field's words, or some of them, is alike.
    pub partly: bool,
}

impl Names {
    /// How alike a column's name is: 100 for the same, 0 for another. Of a dotted path, the last part may be.
    pub fn likeness(&self, column: &str) -> u32 {
        let whole = self.of(&Name::of(column));
        let last = column.rsplit_once('.').map(|(_, last)| Name::of(last));
        // the `id` or `name` inside an object is anybody's
        let last = last.filter(|last| self.partly || last.0.len() > 1);
        whole.max(last.map_or(0, |last| self.of(&last).saturating_sub(3)))
    }

    fn of(&self, column: &Name) -> u32 {
        let bare = column.bare(&self.without);
        let same = |list: &[Name], name: &Name| {
            !name.0.is_empty() && list.iter().any(|own| own.joined() == name.joined())
        };
        if same(&self.own, column) {
            return 100;
        }
        if same(&self.others, column) {
            return 92;
        }
        if same(&self.own, &bare) {
            return 90;
        }
        if same(&self.others, &bare) {
            return 86;
        }
        let near = |own: &&Name| {
            let (own, column) = (own.joined(), column.joined());
            let slips = strsim::damerau_levenshtein(&own, &column);
            slips <= (own.chars().count().min(column.chars().count()) / 5).min(2)
        };
        if self.own.iter().any(|own| near(&own)) {
            return 82;
        }
        if same(&self.weak, column) {
            return 75;
        }
        if !self.partly {
            return 0;
        }
        let share =
            |part: usize, whole: usize| u32::try_from(20 * part / whole.max(1)).unwrap_or(0);
        let partly = |own: &Name| {
            if bare.holds(own) {
                60 + share(own.0.len(), bare.0.len())
            } else if own.holds(&bare) {
                55 + share(bare.0.len(), own.0.len())
            } else {
                0
            }
        };
        self.own.iter().map(partly).max().unwrap_or(0)
    }
}

/// What the contract's fields may be called where no column has a better name.
pub fn weak_of_field(field: &str) -> &'static [&'static str] {
    match field {
        "externalUserId" => &[
            "customer",
            "client",
            "user",
            "end user",
            "account",
            "company",
            "merchant",
            "subscriber",
        ],
        "userName" => &[
            "customer",
            "client",
            "user",
            "end user",
            "merchant",
            "subscriber",
        ],
        _ => &[],
    }
}

/// Other usual names of the contract's fields.
pub fn of_field(field: &str) -> &'static [&'static str] {
    match field {
        "externalUserId" => &[
            "customer id",
            "customer",
            "customer no",
            "customer number",
            "customer key",
            "customer ref",
            "customer reference",
            "customer uuid",
            "cust id",
            "account id",
            "account no",
            "account number",
            "account uuid",
            "client id",
            "client no",
            "client number",
            "tenant",
            "tenant id",
            "org id",
            "organisation id",
            "organization id",
            "company id",
            "user id",
            "end user id",
            "external id",
            "external user",
            "workspace id",
            "merchant id",
            "subscriber id",
            "id",
            "uuid",
            "uid",
            "ref",
            "reference",
            "email",
            "e mail",
            "email address",
        ],
        "userName" => &[
            "company",
            "company name",
            "customer name",
            "client name",
            "account",
            "account name",
            "organisation",
            "organization",
            "organisation name",
            "organization name",
            "org name",
            "tenant name",
            "business",
            "business name",
            "display name",
            "full name",
            "end user name",
            "name",
            "title",
            "workspace",
            "workspace name",
            "merchant name",
        ],
        "connector" => &[
            "connector name",
            "integration",
            "app",
            "application",
            "service",
            "product",
            "platform",
            "system",
        ],
        "connectorVersion" => &[
            "version",
            "connector version no",
            "integration version",
            "app version",
        ],
        "environment" => &["service environment", "env", "stage"],
        "authName" => &[
            "authentication name",
            "authentication",
            "connection name",
            "credential name",
            "credentials name",
        ],
        "scopes" => &["scope", "oauth scopes", "permissions"],
        "hidden" => &["is hidden", "hide"],
        "solutionId" => &["solution", "solution uuid"],
        "instanceName" => &["instance", "solution instance", "solution instance name"],
        "authExternalId" => &[
            "slot",
            "auth slot",
            "slot id",
            "auth slot id",
            "slot external id",
        ],
        "enabled" => &["is enabled", "active", "is active", "live"],
        _ => &[],
    }
}

/// Other usual names of credential fields, by the words of the field's own name.
pub fn of_credential(field: &str) -> &'static [&'static str] {
    match words(field).join(" ").as_str() {
        "api key" | "apikey" | "key" => &[
            "key",
            "api key",
            "api token",
            "token",
            "access token",
            "secret key",
            "api secret",
        ],
        "api token" | "token" => &[
            "token",
            "api token",
            "api key",
            "key",
            "access token",
            "auth token",
        ],
        "access token" => &["token", "oauth token", "bearer token", "auth token"],
        "refresh token" => &["refresh", "oauth refresh token"],
        "expires at" | "expiry" | "expires" => &[
            "expiry",
            "expires",
            "expires at",
            "expiration",
            "token expiry",
            "valid until",
        ],
        "access key" | "access key id" => &["key", "key id", "access key", "access key id"],
        "secret key" | "secret access key" | "secret" => {
            &["secret", "secret key", "secret access key", "access secret"]
        }
        "client id" => &[
            "app id",
            "application id",
            "consumer key",
            "oauth client id",
        ],
        "client secret" => &[
            "secret",
            "app secret",
            "application secret",
            "consumer secret",
            "oauth client secret",
        ],
        "account id" | "account" => &["account", "account id", "account no", "account number"],
        "username" | "user name" | "user" | "login" => &[
            "user",
            "user name",
            "username",
            "login",
            "login name",
            "email",
        ],
        "password" | "passwd" => &["password", "pass", "pwd", "passwd", "pw"],
        "email" => &["e mail", "mail", "email address", "user email", "login"],
        "host" | "hostname" | "server" => &[
            "host",
            "hostname",
            "host name",
            "server",
            "server name",
            "address",
        ],
        "url" | "base url" | "endpoint" => {
            &["url", "base url", "endpoint", "api url", "site", "link"]
        }
        "subdomain" => &["sub domain", "domain", "site", "instance"],
        "region" => &["region", "location", "data center", "data centre"],
        "private key" => &["ssh key", "key", "pem", "private ssh key"],
        "port" => &["port number", "port no"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(field: &str, title: &str) -> Names {
        Names {
            own: vec![Name::of(field), Name::of(title)],
            others: of_credential(field)
                .iter()
                .map(|name| Name::of(name))
                .collect(),
            weak: Vec::new(),
            without: vec!["zendesk".to_owned()],
            partly: true,
        }
    }

    #[test]
    fn the_same_name_in_other_spellings() {
        let key = names("api_key", "API key");
        for column in ["api_key", "apiKey", "API-Key", "ApiKey", "APIKEY"] {
            assert_eq!(key.likeness(column), 100, "{column}");
        }
        assert_eq!(key.likeness("Zendesk API key"), 90);
        assert_eq!(key.likeness("api_kye"), 82);
        assert!(key.likeness("Main API key 2") >= 65);
        assert_eq!(key.likeness("Notes"), 0);
    }

    #[test]
    fn plain_fields_want_the_whole_name() {
        let user = Names {
            own: vec![Name::of("userName")],
            others: of_field("userName")
                .iter()
                .map(|name| Name::of(name))
                .collect(),
            weak: weak_of_field("userName")
                .iter()
                .map(|name| Name::of(name))
                .collect(),
            without: Vec::new(),
            partly: false,
        };
        assert_eq!(user.likeness("Company"), 92);
        assert_eq!(user.likeness("Account manager"), 0);
        assert_eq!(user.likeness(""), 0);
        assert_eq!(user.likeness("customer.companyName"), 89);
        assert_eq!(user.likeness("manager.name"), 0);
        assert_eq!(user.likeness("Customer"), 75);
    }
}
