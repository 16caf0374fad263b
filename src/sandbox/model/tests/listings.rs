//! What listings show, in which pages, and when.

use super::*;
use crate::sandbox::behaviour::CriteriaMatch;

#[test]
fn new_objects_lag_in_listings_but_work_by_id() {
    let mut model = model(Behaviour {
        read_lag: Duration::from_secs(3),
        ..Behaviour::default()
    });
    let id = model
        .create_external_user(START, &Caller::Master, new_user("c-1"))
        .unwrap();
    let criteria = UserCriteria {
        external_user_id: Some("c-1".into()),
        ..UserCriteria::default()
    };
    let seen = |model: &Model, now| {
        model
            .list_users(
                Duration::from_secs(now),
                &Caller::Master,
                &criteria,
                &Paging::default(),
            )
            .unwrap()
            .items
            .len()
    };
    assert_eq!((seen(&model, 2), seen(&model, 3)), (0, 1));
    assert!(model.authorize(START, &Caller::Master, &id).is_ok());
}

#[test]
fn pages_join_up_even_when_objects_go_away() {
    let mut model = model(Behaviour::default());
    let ids: Vec<_> = (0..25)
        .map(|n| model.seed_user(START, new_user(&format!("c-{n}"))))
        .collect();
    let list = |model: &Model, paging: &Paging| {
        let page = model
            .list_users(START, &Caller::Master, &UserCriteria::default(), paging)
            .unwrap();
        let ids: Vec<_> = page.items.iter().map(|user| user.id.clone()).collect();
        (ids, page.has_previous, page.has_next)
    };
    assert_eq!(
        list(&model, &Paging::default()),
        (ids[..20].to_vec(), false, true)
    );
    assert_eq!(list(&model, &Paging::first(500)).0.len(), 25);

    let first = list(&model, &Paging::first(10));
    model
        .remove_external_user(&Caller::Master, &ids[9])
        .unwrap();
    let second = list(&model, &Paging::first(10).after(cursor(&first.0[9])));
    assert_eq!(second, (ids[10..20].to_vec(), true, true));
    let third = list(&model, &Paging::first(10).after(cursor(&second.0[9])));
    assert_eq!(third, (ids[20..].to_vec(), true, false));

    let last = Paging {
        last: Some(5),
        before: Some(cursor(&ids[20])),
        ..Paging::default()
    };
    assert_eq!(list(&model, &last), (ids[15..20].to_vec(), true, true));
    let senseless = model.list_users(
        START,
        &Caller::Master,
        &UserCriteria::default(),
        &Paging::first(0),
    );
    assert_eq!(senseless.unwrap_err(), Refusal::Paging);
}

#[test]
fn users_match_as_the_switch_says() {
    for (criteria_match, expected) in [
        (CriteriaMatch::Exact, 1),
        (CriteriaMatch::Prefix, 2),
        (CriteriaMatch::CaseInsensitive, 2),
    ] {
        let mut model = model(Behaviour {
            criteria_match,
            ..Behaviour::default()
        });
        for external_user_id in ["c-1", "c-10", "C-1"] {
            model.seed_user(START, new_user(external_user_id));
        }
        let criteria = UserCriteria {
            external_user_id: Some("c-1".into()),
            ..UserCriteria::default()
        };
        let found = model
            .list_users(START, &Caller::Master, &criteria, &Paging::default())
            .unwrap();
        assert_eq!(found.items.len(), expected, "{criteria_match:?}");
    }
}
