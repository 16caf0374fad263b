//! The authentication of a row: adopted, or created once.

use std::slice;

use tokio::sync::MutexGuard;

use crate::import::context::Context;
use crate::import::create_once::{
    Caller, Creation, LookError, create_once, may_have_been_created, only,
};
use crate::import::error::{StepError, Whose, open_creation};
use crate::import::row::{Placement, RowInFlight, WorkRow};
use crate::import::users::Origin;
use crate::model::{Step, code};
use crate::secret::SecretValue;
use crate::tray::operations::{
    self as ops, CREATE_USER_AUTHENTICATION, ListedAuthentication, ListedInstance,
    NewAuthentication, Operation,
};
use crate::tray::outcome::Trouble;
use crate::tray::owned::Owned;
use crate::tray::session::UserSession;
use crate::tray::transport::Transport;

const STEP: Step = Step::Authentication;

/// Brings the row to where its authentication exists and its id is known.
pub(in crate::import) async fn authentication<T: Transport>(
    ctx: &Context<T>,
    work: &WorkRow,
    row: &mut RowInFlight,
) -> Result<(), StepError> {
    if row.progress.authentication_id.is_some() {
        return Ok(());
    }
    let open = open_creation(&row.progress, STEP);
    if ctx.stop().is_set() {
        // where the results have the end user's creation as sent, the end user is known by now
        let of_user = row.is_sent() && open.is_none();
        return Err(if of_user {
            StepError::NotDone
        } else {
            StepError::Stopped
        });
    }
    let wanted = Wanted {
        ctx,
        session: ctx.session(row),
        work,
    };
    let mut probe = None;
    if open.is_none() {
        match wanted.existing(row.user.origin().await).await? {
            Existing::Id(id) => {
                row.has(STEP, &id, false);
                ctx.tally.counts().brought(STEP, false);
                return Ok(());
            }
            Existing::None => {}
            Existing::Unknown => probe = wanted.probe().await?,
        }
    }
    let created = create_once(ctx, &wanted, slice::from_mut(row), open).await?;
    let ours = created.whose == Whose::Ours;
    row.has(STEP, &created.id, ours);
    ctx.tally.counts().brought(STEP, ours);
    if work.hidden
        && let Some(user) = row.user.shared.get()
    {
        ctx.hidden.exists(user, &created.id);
    }
    drop(probe);
    Ok(())
}

struct Wanted<'a, T> {
    ctx: &'a Context<T>,
    session: UserSession<T>,
    work: &'a WorkRow,
}

/// What an end user has of a row's authentication.
enum Existing {
    Id(String),
    None,
    /// It is hidden, and nobody knows whether Tray would list it.
    Unknown,
}

impl<T: Transport> Wanted<'_, T> {
    /// What an end user who was not created by this run has already.
    async fn existing(&self, origin: Option<Origin>) -> Result<Existing, StepError> {
        if origin == Some(Origin::ThisRun) {
            return Ok(Existing::None);
        }
        let owned = self.session.owned().await;
        let owned = owned.map_err(|trouble| self.error(&trouble))?;
        let found = self.matching(&owned.authentications);
        if let Some(id) = only(found, || self.several())? {
            return Ok(Existing::Id(id));
        }
        if owned.truncated {
            return Err(StepError::failed(
                code::LISTING_TRUNCATED,
                STEP,
                false,
                "Tray lists only a part of the end user's authentications and offers no way to the rest, so nobody can tell whether this one exists; nothing was sent".to_owned(),
            ));
        }
        let hidden = &self.ctx.hidden;
        // whom this batch has created owns only what the results know of
        if !self.work.hidden || origin != Some(Origin::Found) || hidden.known() == Some(true) {
            return Ok(Existing::None);
        }
        match self.in_slot(&owned) {
            Some(id) => {
                hidden.found_out(false);
                Ok(Existing::Id(id))
            }
            None => Ok(Existing::Unknown),
        }
    }

    /// The authentication that the end user's instance of the row's solution and name has in the row's slot, where
    /// no list shows it. It is the row's: nothing else of this batch goes there, and no other could.
    fn in_slot(&self, owned: &Owned) -> Option<String> {
        let placement = self.work.placement.as_ref()?;
        let Placement {
            solution_id,
            instance_name,
            ..
        } = placement;
        let same = |instance: &&ListedInstance| instance.is_of(solution_id, instance_name);
        let mut instances = owned.instances.iter().filter(same);
        let instance = instances.next().filter(|_| instances.next().is_none())?;
        let mut slots = instance.auth_values.iter();
        let filled = slots.find(|value| value.external_id == placement.slot)?;
        let is_listed = owned
            .authentications
            .iter()
            .any(|own| own.id == filled.auth_id);
        (!is_listed).then(|| filled.auth_id.clone())
    }

    /// Decides on a hidden authentication of an end user who was there before: if Tray does not list hidden ones,
    /// it may exist, and nothing is sent. Where that is not known yet, one row alone goes ahead (it holds what is
    /// returned) and is the witness for all others: so at most one is created a second time.
    async fn probe(&self) -> Result<Option<MutexGuard<'_, ()>>, StepError> {
        let hidden = &self.ctx.hidden;
        let probe = hidden.probe().await;
        match self.lists_hidden().await.map_err(|trouble| self.error(&trouble))? {
            None => Ok(Some(probe)),
            Some(true) => Ok(None),
            Some(false) => Err(StepError::failed(
                code::UNSETTLED,
                STEP,
                true,
                "the end user existed before this batch, and Tray does not list hidden authentications: whether this one exists already cannot be told, and nothing was sent. If it surely does not, import the row with hidden = false".to_owned(),
            )),
        }
    }

    async fn lists_hidden(&self) -> Result<Option<bool>, Trouble> {
        let patience = self.ctx.settings.patience();
        let tray = self.session.organisation();
        (self.ctx.hidden).ask(tray, patience, self.ctx.stop()).await
    }

    fn matching(&self, listed: &[ListedAuthentication]) -> Vec<String> {
        let same = |a: &&ListedAuthentication| {
            a.name == self.work.auth_name && a.service_environment.id == self.work.environment_id
        };
        listed.iter().filter(same).map(|a| a.id.clone()).collect()
    }

    fn error(&self, trouble: &Trouble) -> StepError {
        self.ctx.error(trouble, STEP)
    }
}

impl<T: Transport> Creation<T> for Wanted<'_, T> {
    const STEP: Step = STEP;
    const OPERATION: &'static Operation = &CREATE_USER_AUTHENTICATION;
    type Found = String;

    fn caller(&self) -> Caller<'_, T> {
        Caller::User(&self.session)
    }

    fn variables(&self) -> SecretValue {
        ops::create_user_authentication(&NewAuthentication {
            name: &self.work.auth_name,
            service_id: &self.work.service_id,
            environment_id: &self.work.environment_id,
            data: &self.work.data,
            form_data: self.work.form_data.as_ref(),
            scopes: &self.work.scopes,
            hidden: self.work.hidden,
        })
    }

    async fn look(&self) -> Result<Vec<String>, LookError> {
        let (listed, cut_short) = self.session.authentications().await?;
        let found = self.matching(&listed);
        if found.is_empty() && cut_short {
            return Err(LookError::CutShort);
        }
        if self.work.hidden && !found.is_empty() {
            self.ctx.hidden.found_out(true);
        }
        Ok(found)
    }

    async fn absence_is_proof(&self, ctx: &Context<T>) -> Result<(), StepError> {
        if !self.work.hidden {
            return Ok(());
        }
        let listed = self.lists_hidden().await;
        let listed = listed.map_err(|trouble| {
            let error = ctx.error(&trouble, STEP);
            error.under(code::UNSETTLED, |message| {
                format!(
                    "the authentication may have been created, and asking Tray failed: {message}"
                )
            })
        })?;
        if listed == Some(true) {
            return Ok(());
        }
        let why = "the authentication is hidden, and Tray does not list hidden ones";
        Err(may_have_been_created(code::UNSETTLED, STEP, why))
    }

    fn several(&self) -> StepError {
        let what = "the end user has several authentications of this name and environment";
        StepError::several(STEP, what)
    }
}
