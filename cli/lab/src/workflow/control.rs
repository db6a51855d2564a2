//! What is done to an execution from outside: it is described, stopped, taken up again.

use duet_asl::{MachineType, RedriveError, Status, TaskError};

use super::{Standing, WorkflowError};
use crate::lab::Lab;

impl Lab {
    /// DescribeExecution.
    #[must_use]
    pub fn describe_execution(&self, arn: &str) -> Option<Standing> {
        let run = self.runs.iter().find(|run| &*run.arn == arn)?;
        if self.is_express(run.machine) {
            return None;
        }
        Some(self.standing(run))
    }

    /// StopExecution, with what it started and waits for. One that is over stays as it
    /// is.
    ///
    /// # Errors
    /// [`WorkflowError::NoExecution`], [`WorkflowError::Express`], [`WorkflowError::Stop`]
    pub fn stop_execution(
        &mut self,
        arn: &str,
        error: Option<&str>,
        cause: Option<&str>,
    ) -> Result<(), WorkflowError> {
        TaskError {
            error: error.unwrap_or_default().to_owned(),
            cause: cause.map(str::to_owned),
        }
        .sendable()?;
        let run = self.runs.iter().position(|run| &*run.arn == arn);
        let run = run.ok_or_else(|| WorkflowError::NoExecution(arn.to_owned()))?;
        let machine = &self.definitions.machines[self.runs[run].machine];
        if machine.machine.machine_type() == MachineType::Express {
            return Err(WorkflowError::Express(arn.to_owned()));
        }
        let now = self.now;
        if let Some(execution) = self.runs[run].execution.as_mut()
            && execution.status() == Status::Running
        {
            execution.stop(error.map(str::to_owned), cause.map(str::to_owned), now);
        }
        self.drive(run);
        Ok(())
    }

    /// What an event of this execution is about: its machine, and itself.
    pub(crate) fn resources_of(&self, run: usize) -> Vec<String> {
        let it = &self.runs[run];
        let machine = self.definitions.machines[it.machine].arn.clone();
        vec![machine, it.arn.to_string()]
    }

    /// RedriveExecution.
    ///
    /// # Errors
    /// [`WorkflowError`]
    pub fn redrive_execution(&mut self, arn: &str) -> Result<(), WorkflowError> {
        let run = self.runs.iter().position(|run| &*run.arn == arn);
        let run = run.ok_or_else(|| WorkflowError::NoExecution(arn.to_owned()))?;
        let machine = &self.definitions.machines[self.runs[run].machine];
        if machine.gone {
            return Err(WorkflowError::NoMachine(machine.name.clone()));
        }
        let now = self.now;
        // What is not kept any more has succeeded.
        let execution = self.runs[run].execution.as_mut();
        execution.ok_or(RedriveError::NotFailed)?.redrive(now)?;
        self.runs[run].redrives += 1;
        let owner = self.runs[run].owner;
        self.note(
            |lab| lab.subject(owner),
            || "the execution is redriven".to_owned(),
        );
        self.tell_engine(run, None);
        self.announce_status(run, Status::Running);
        self.drive(run);
        Ok(())
    }
}
