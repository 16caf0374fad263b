//! The points where nobody outside Tray knows what Tray does, each as a switch.
//!
//! A tool that is right under every setting of every switch needs no luck on the day of the real migration.
//! The defaults are the likeliest answers.

use std::time::Duration;

/// Reads one switch's value from text.
trait Switch: Sized {
    /// What the value may look like, for the error message.
    fn expected() -> String;
    /// The value, if `text` is one.
    fn read(text: &str) -> Option<Self>;
}

impl Switch for bool {
    fn expected() -> String {
        "true or false".into()
    }
    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Switch for usize {
    fn expected() -> String {
        "a whole number above zero".into()
    }
    fn read(text: &str) -> Option<Self> {
        text.parse().ok().filter(|&n| n > 0)
    }
}

impl Switch for u64 {
    fn expected() -> String {
        "a whole number".into()
    }
    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Switch for Duration {
    fn expected() -> String {
        "a duration such as 500ms, 2s or 5m".into()
    }
    fn read(text: &str) -> Option<Self> {
        parse_duration(text)
    }
}

impl<T: Switch> Switch for Option<T> {
    fn expected() -> String {
        format!("none, or {}", T::expected())
    }
    fn read(text: &str) -> Option<Self> {
        match text {
            "none" => Some(None),
            text => T::read(text).map(Some),
        }
    }
}

/// Reads `500ms`, `2s`, `5m`, `48h`, or a bare `0`.
pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    let unit = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit);
    let number: f64 = number.parse().ok()?;
    let seconds = match unit {
        "ms" => number / 1000.0,
        "s" => number,
        "m" => number * 60.0,
        "h" => number * 3600.0,
        "" if number == 0.0 => 0.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(seconds).ok()
}

/// An enum whose variants have names in text.
macro_rules! choices {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$doc])* $variant,)+
        }

        impl Switch for $name {
            fn expected() -> String {
                [$($text),+].join(" or ")
            }
            fn read(text: &str) -> Option<Self> {
                match text {
                    $($text => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

/// The struct of switches, with its defaults, its list of names and its reader, from one table.
macro_rules! switches {
    ($(#[$meta:meta])* $name:ident { $($(#[doc = $doc:literal])+ $field:ident: $type:ty = $default:expr,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $($(#[doc = $doc])+ pub $field: $type,)+
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)+ }
            }
        }

        impl $name {
            /// Every switch with what it stands for and the values it takes.
            pub fn describe() -> Vec<(&'static str, &'static str, String)> {
                vec![$((stringify!($field), concat!($($doc),+).trim_start(), <$type>::expected()),)+]
            }

            /// Sets one switch by its name from text.
            ///
            /// # Errors
            ///
            /// The message names the known switches, or the values this one takes.
            pub fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
                match name {
                    $(stringify!($field) => {
                        self.$field = <$type>::read(value)
                            .ok_or_else(|| format!("{name} is {}, not \"{value}\"", <$type>::expected()))?;
                    })+
                    _ => {
                        let known = [$(stringify!($field)),+].join(", ");
                        return Err(format!("no switch is called \"{name}\"; known: {known}"));
                    }
                }
                Ok(())
            }
        }
    };
}

choices! {
    /// Whether something that Tray's sources disagree about is part of the schema.
    Presence {
        /// It is there.
        Exposed = "exposed",
        /// Naming it fails validation.
        Absent = "absent",
    }
}

choices! {
    /// How a config slot's value reads back.
    ConfigReadForm {
        /// The very text that was sent: `"\"a@b.c\""`.
        Raw = "raw",
        /// Without the JSON quotes of a string, as the documentation's samples show it: `"a@b.c"`.
        Json = "json",
    }
}

choices! {
    /// What a supplied list of slot values does to an instance's present ones.
    UpdateValues {
        /// Slots that are not in the list keep their values; a `null` config value clears its slot.
        Merge = "merge",
        /// The list is the whole truth.
        Replace = "replace",
    }
}

choices! {
    /// Whether the schema can be asked about.
    Introspection {
        /// `__schema` and `__type` answer.
        Allowed = "allowed",
        /// They fail validation.
        Refused = "refused",
    }
}

choices! {
    /// The answer to a request over the rate limit.
    ThrottleForm {
        /// HTTP 200 with Tray's published GraphQL error.
        Graphql200 = "graphql200",
        /// HTTP 429 from the gateway.
        Http429 = "http429",
        /// The two in turn.
        Mixed = "mixed",
    }
}

choices! {
    /// The answer to a token that is wrong, expired, or of the other kind.
    UnauthorizedForm {
        /// HTTP 401.
        Http401 = "401",
        /// HTTP 403.
        Http403 = "403",
        /// HTTP 200 with a GraphQL error.
        Graphql = "graphql",
    }
}

choices! {
    /// How `users(criteria: {externalUserId, name})` compares.
    CriteriaMatch {
        /// To the letter.
        Exact = "exact",
        /// By the beginning.
        Prefix = "prefix",
        /// To the letter, but without regard to case.
        CaseInsensitive = "case_insensitive",
    }
}

choices! {
    /// HTTP status of a document that fails to parse or validate.
    ValidationStatus {
        /// 200.
        Ok200 = "200",
        /// 400.
        Bad400 = "400",
    }
}

choices! {
    /// Whose token `removeAuthentication` takes for an end user's authentication.
    RemovalToken {
        /// The end user's.
        User = "user",
        /// The master token.
        Master = "master",
        /// Either.
        Either = "either",
    }
}

choices! {
    /// The answer to the removal of something that does not exist.
    UnknownRemoval {
        /// An error that says so.
        NotFound = "not_found",
        /// That it is done.
        Done = "done",
        /// The error of a token that may not.
        Forbidden = "forbidden",
    }
}

switches! {
    /// The switches. Numbers in parentheses are the open questions of the API notes, section 10.
    Behaviour {
        /// A second user with the same externalUserId is refused (1).
        unique_external_ids: bool = false,
        /// How users are matched by externalUserId and name (1, 14).
        criteria_match: CriteriaMatch = CriteriaMatch::Exact,
        /// What a throttled request is answered (2).
        throttle_form: ThrottleForm = ThrottleForm::Graphql200,
        /// Seconds in a Retry-After header of throttled answers (2).
        retry_after: Option<u64> = None,
        /// HTTP status of a GraphQL validation error (3).
        validation_status: ValidationStatus = ValidationStatus::Ok200,
        /// Errors of createUserAuthentication quote the credentials they received (3).
        error_echoes_input: bool = false,
        /// createUserAuthentication checks credentials against the environment's schema (4).
        validate_credentials: bool = false,
        /// serviceId must be the service that serviceEnvironmentId belongs to (5).
        environment_service_must_match: bool = true,
        /// viewer.authentications lists hidden authentications too (6).
        hidden_listed: bool = true,
        /// viewer.authentications is cut off at this many, with hasNextPage true and no way on (6).
        authentications_listed: Option<usize> = None,
        /// The form in which config values read back (7).
        config_read_form: ConfigReadForm = ConfigReadForm::Raw,
        /// Config values must be strings that hold JSON text (7).
        strict_config: bool = true,
        /// What a supplied list of values does to an instance's present ones (8).
        update_values: UpdateValues = UpdateValues::Merge,
        /// A new user token ends the user's earlier ones (9).
        authorize_invalidates_earlier: bool = false,
        /// How long a user token lives (9).
        user_token_lifetime: Duration = Duration::from_secs(48 * 3600),
        /// A user token expires after this many requests (9).
        user_token_uses: Option<u64> = None,
        /// What a wrong or expired token is answered (9).
        unauthorized_form: UnauthorizedForm = UnauthorizedForm::Http403,
        /// A master token's viewer.solutionInstances lists end users' instances (10).
        master_sees_instances: bool = false,
        /// createUserAuthentication takes a master token; the result lands in the organisation's own account (10).
        master_create_authentication: bool = true,
        /// Solution.authSlots is part of the schema (11).
        auth_slots: Presence = Presence::Exposed,
        /// isTestUser is part of the schema, and with it updateExternalUser's main use (11).
        test_user_field: Presence = Presence::Exposed,
        /// Introspection (11).
        introspection: Introspection = Introspection::Allowed,
        /// An instance younger than this cannot be enabled (12).
        enable_needs_delay: Option<Duration> = None,
        /// How long a new object stays out of listings; its id works at once (12).
        read_lag: Duration = Duration::ZERO,
        /// Page size where `first` is not given (14).
        default_page_size: usize = 20,
        /// Largest page; a larger `first` is cut down to it (14).
        max_page_size: usize = 100,
        /// Removing a user removes their authentications too (16).
        user_removal_takes_authentications: bool = true,
        /// A user who still owns something can be removed (16).
        remove_users_with_things: bool = true,
        /// An authentication that an enabled instance uses can be removed (16).
        remove_used_authentications: bool = true,
        /// An instance that is enabled can be removed (16).
        remove_enabled_instances: bool = true,
        /// Whose token removeAuthentication takes for an end user's authentication (10).
        authentication_removal_token: RemovalToken = RemovalToken::User,
        /// What the removal of something that does not exist is answered (3).
        unknown_removal: UnknownRemoval = UnknownRemoval::NotFound,
        /// Names are unique: authentications per owner and environment, instances per owner and solution (section 7).
        names_unique: bool = false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_are_set_by_name() {
        let mut behaviour = Behaviour::default();
        for (name, value) in [
            ("unique_external_ids", "true"),
            ("throttle_form", "mixed"),
            ("unauthorized_form", "401"),
            ("retry_after", "3"),
            ("read_lag", "1500ms"),
            ("user_token_uses", "none"),
        ] {
            behaviour.set(name, value).unwrap();
        }
        assert!(behaviour.unique_external_ids);
        assert_eq!(behaviour.throttle_form, ThrottleForm::Mixed);
        assert_eq!(behaviour.unauthorized_form, UnauthorizedForm::Http401);
        assert_eq!(behaviour.retry_after, Some(3));
        assert_eq!(behaviour.read_lag, Duration::from_millis(1500));
        assert_eq!(behaviour.user_token_uses, None);
    }

    #[test]
    fn errors_name_what_is_known() {
        let mut behaviour = Behaviour::default();
        let error = behaviour.set("read_lags", "1s").unwrap_err();
        assert!(error.contains("read_lag,"), "{error}");
        let error = behaviour.set("auth_slots", "maybe").unwrap_err();
        assert!(error.contains("exposed or absent"), "{error}");
        for text in ["-1s", "s", "1", "NaNs", "1e300h"] {
            assert!(behaviour.set("read_lag", text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_switch_is_described() {
        for (name, description, values) in Behaviour::describe() {
            assert!(!description.is_empty() && !values.is_empty(), "{name}");
        }
    }
}
