//! Templates: parts of the plan that are known when some values are.

use std::sync::Arc;

use crate::exec::drive::Run;
use crate::exec::error::Failure;
use crate::exec::event::Outcome;
use crate::exec::schedule::User;
use crate::plan::graph::{NodeIndex, Operand};
use crate::plan::template::TemplateIndex;
use crate::value::data::Value;

/// A template while its run goes on.
#[derive(Default)]
pub(in crate::exec) struct Hole {
    state: State,
    /// What it waits for; templates are replaced by what they stand for.
    waits: Vec<Operand>,
    left: usize,
    /// Goals and templates that want it.
    users: Vec<User>,
}

#[derive(Default)]
enum State {
    #[default]
    Unseen,
    Waiting,
    /// All that it waits for is there.
    Ready,
    Known(Operand),
    Failed(Arc<Failure>),
}

impl Run<'_> {
    /// Makes room for templates that are new.
    pub(in crate::exec) fn grow_holes(&mut self) {
        self.holes.resize_with(self.plan.templates(), Hole::default);
    }

    /// Wants what a template stands for.
    pub(in crate::exec) fn want_hole(&mut self, template: TemplateIndex, user: User) {
        let mut wanted = vec![(template, user)];
        while let Some((template, user)) = wanted.pop() {
            let at = template.0 as usize;
            self.holes[at].users.push(user);
            match self.holes[at].state {
                State::Unseen => {}
                State::Waiting | State::Ready => continue,
                State::Known(_) | State::Failed(_) => {
                    self.tell_hole(template);
                    continue;
                }
            }
            let waits = self.plan.template_at(template).waits.clone();
            let hole = &mut self.holes[at];
            hole.state = State::Waiting;
            hole.left = waits.len();
            hole.waits.clone_from(&waits);
            if waits.is_empty() {
                hole.state = State::Ready;
            }
            for wait in waits {
                match wait {
                    Operand::Node(node) => self.want_for_hole(template, node),
                    Operand::Literal(_) => self.one_less(template),
                    Operand::Template(below) => wanted.push((below, User::Template(template.0))),
                }
            }
        }
    }

    fn want_for_hole(&mut self, template: TemplateIndex, node: NodeIndex) {
        self.add_root(node);
        self.schedule.want(User::Template(template.0), node);
    }

    fn one_less(&mut self, template: TemplateIndex) {
        let hole = &mut self.holes[template.0 as usize];
        hole.left -= 1;
        if hole.left == 0 && matches!(hole.state, State::Waiting) {
            hole.state = State::Ready;
        }
    }

    /// Takes in that a node is there, or failed, that a template waits for.
    pub(in crate::exec) fn answer_hole(&mut self, hole: u32, node: NodeIndex) {
        if let Some(root) = self.schedule.failed(node) {
            self.holes[hole as usize].state = State::Failed(self.failures[&root].clone());
            self.tell_hole(TemplateIndex(hole));
        }
        self.one_less(TemplateIndex(hole));
    }

    /// Expands the templates that have all they wait for; true when there was one.
    pub(in crate::exec) fn fill_holes(&mut self) -> bool {
        let mut any = false;
        let mut at = 0;
        // An expansion may add templates behind.
        while at < self.holes.len() {
            if matches!(self.holes[at].state, State::Ready) {
                any = true;
                self.fill(TemplateIndex(at as u32));
            }
            at += 1;
        }
        any
    }

    fn fill(&mut self, template: TemplateIndex) {
        let at = template.0 as usize;
        let waits = self.holes[at].waits.clone();
        let value = |wait: &Operand| -> Value {
            match wait {
                Operand::Node(node) => {
                    self.values.get(*node).cloned().expect("a template holds its values")
                }
                Operand::Literal(value) => value.clone(),
                Operand::Template(_) => Value::Null,
            }
        };
        let values: Vec<(Operand, Value)> =
            waits.iter().map(|wait| (wait.clone(), value(wait))).collect();
        let expanded = self.plan.expand(template, &values);
        self.holes[at].state = match expanded {
            Ok(operand) => State::Known(operand),
            Err(fault) => State::Failed(Arc::new(Failure::Fault { fault })),
        };
        self.grow();
        self.tell_hole(template);
        // Only now: what it stands for may want the very values it waited for.
        for wait in waits {
            if let Operand::Node(node) = wait {
                self.schedule.release(node);
            }
        }
    }

    /// Tells those who want a template what it stands for.
    fn tell_hole(&mut self, template: TemplateIndex) {
        let at = template.0 as usize;
        for user in std::mem::take(&mut self.holes[at].users) {
            match (&self.holes[at].state, user) {
                (State::Failed(failure), User::Goal(goal)) => {
                    self.outcomes[goal as usize] = Some(Outcome::Failed(failure.clone()));
                }
                (State::Failed(failure), User::Template(above)) => {
                    let failure = failure.clone();
                    self.holes[above as usize].state = State::Failed(failure);
                    self.tell_hole(TemplateIndex(above));
                }
                (State::Known(operand), user) => {
                    let operand = operand.clone();
                    self.pass_on(template, operand, user);
                }
                _ => {}
            }
        }
    }

    fn pass_on(&mut self, template: TemplateIndex, operand: Operand, user: User) {
        match (user, operand) {
            (_, Operand::Template(below)) => {
                // What it stands for is a template again.
                if let User::Template(above) = user {
                    self.replace(above, template, &Operand::Template(below));
                }
                self.want_hole(below, user);
            }
            (User::Goal(goal), Operand::Node(node)) => self.want_for_goal(goal, node),
            (User::Goal(goal), Operand::Literal(value)) => self.literal_goal(goal, value),
            (User::Template(above), operand) => {
                self.replace(above, template, &operand);
                match operand {
                    Operand::Node(node) => self.want_for_hole(TemplateIndex(above), node),
                    _ => self.one_less(TemplateIndex(above)),
                }
            }
            (User::Node(_), _) => {}
        }
    }

    /// Puts what a template stands for in its place among what another one waits for, once.
    fn replace(&mut self, above: u32, template: TemplateIndex, operand: &Operand) {
        let waits = &mut self.holes[above as usize].waits;
        let place = waits
            .iter_mut()
            .find(|wait| matches!(wait, Operand::Template(index) if *index == template));
        if let Some(place) = place {
            *place = operand.clone();
        }
    }
}
