// SPDX-License-Identifier: MIT OR Apache-2.0
//! Peers that come and go while the application makes no calls: what is kept for it of those it has not heard of.

use std::collections::VecDeque;
use std::sync::Arc;

use ferromq_vocabulary::SocketType;

use crate::command::News;
use crate::shared::SocketShared;
use crate::transport::inproc::Tie;
use crate::tuning::PASSED_MOST;

/// A peer that has come and gone, and left nothing but subscriptions.
enum Passed {
    Wire(u64),
    Inproc(Arc<Tie>),
}

impl Passed {
    fn from_news(news: &News) -> Option<Self> {
        match news {
            News::Ended { id, passing: true } => Some(Self::Wire(*id)),
            News::Passed { tie } => Some(Self::Inproc(Arc::clone(tie))),
            _ => None,
        }
    }
}

impl SocketShared {
    /// A connection has ended for good. An application that has not heard of it yet, and has nothing of it to
    /// receive, need not: what comes and goes while it stays away must not pile up.
    pub(crate) fn tell_ended(&self, id: u64, leaves_nothing: bool) {
        if leaves_nothing && self.forget_unheard(id) {
            return;
        }
        self.tell_made(|news| {
            Some(News::Ended {
                id,
                passing: self.only_subscribed(news, |news| news.is_attach_of(id)),
            })
        });
        self.forget_passed();
    }

    /// A peer of this process has closed. If this one has not heard of it yet, and has nothing of it to receive, it need
    /// not.
    pub(crate) fn tell_untied(&self, tie: &Arc<Tie>) {
        let receives = self.socket_type.receives();
        let leaves_nothing = |news: &News| matches!(news, News::AttachInproc { pipe, .. } if !receives || pipe.reader.waiting() == 0);
        if self.forget_untied(tie, leaves_nothing) {
            return;
        }
        self.tell_made(|news| {
            if self.only_subscribed(news, |news| news.is_attach_with(tie)) {
                let tie = Arc::clone(tie);
                return Some(News::Passed { tie });
            }
            let looks_already = news.back().is_some_and(News::makes_a_look_superfluous);
            (!looks_already).then_some(News::CheckTies)
        });
        self.forget_passed();
    }

    /// Takes back what the application has not heard of a connection; whether it has heard nothing.
    fn forget_unheard(&self, id: u64) -> bool {
        let unheard = self
            .news
            .retract(|news| news.is_attach_of(id), |news| news.is_about(id));
        !unheard.is_empty()
    }

    /// The same for a peer of this process, if its coming is like this.
    fn forget_untied(&self, tie: &Arc<Tie>, is_like: impl Fn(&News) -> bool) -> bool {
        let unheard = self.news.retract(
            |news| news.is_attach_with(tie) && is_like(news),
            |news| news.is_about_tie(tie),
        );
        !unheard.is_empty()
    }

    /// Whether the application has not heard of a peer, and an XPUB has nothing of it but subscriptions. Asked in one go
    /// with the news of its end, so that both are heard together, or neither.
    fn only_subscribed(&self, news: &VecDeque<News>, has_come: impl Fn(&News) -> bool) -> bool {
        self.socket_type == SocketType::Xpub
            && news
                .iter()
                .any(|news| has_come(news) && news.brings_subscriptions_only())
    }

    /// What one has subscribed to and gone comes to nothing in the end. An application that stays away hears of the last
    /// ones, and of those before them no more.
    fn forget_passed(&self) {
        if self.socket_type != SocketType::Xpub {
            return;
        }
        let (mut count, mut oldest) = (0, None);
        self.news.for_each(|news| {
            if let Some(passed) = Passed::from_news(news) {
                count += 1;
                oldest.get_or_insert(passed);
            }
        });
        if count <= PASSED_MOST {
            return;
        }
        match oldest {
            Some(Passed::Wire(id)) => {
                self.forget_unheard(id);
            }
            Some(Passed::Inproc(tie)) => {
                self.forget_untied(&tie, |_| true);
            }
            None => {}
        }
    }
}
