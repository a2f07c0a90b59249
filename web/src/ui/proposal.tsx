import type { JSX } from "preact";
import { sentence } from "../api/errors";
import { acceptProposal, dropProposal, type Proposal } from "../state/topology";
import { Icon } from "./icons";
import { Dialog, Working } from "./parts";

/** What a change would do, in words, before it is done. */
export function ProposalDialog({ proposal }: { readonly proposal: Proposal }): JSX.Element {
  const { plan, refused, working } = proposal;
  const nothing = plan !== undefined && plan.steps.length === 0;
  return (
    <Dialog title={proposal.title} onClose={dropProposal} class="small plan">
      {refused !== "" ? (
        <p class="note error" role="alert">
          <Icon name="warn" />
          <span>That cannot be done. {sentence(refused)}</span>
        </p>
      ) : plan === undefined ? (
        <Working label="Asking what that would do…" />
      ) : nothing ? (
        <p>Nothing would change: the services are there already.</p>
      ) : (
        <>
          <ol class="plan-steps">
            {plan.steps.map((step) => (
              <li key={step.service}>{sentence(step.text)}</li>
            ))}
          </ol>
          <p class="hint">
            Calls go over step by step and are watched: if the new side fails more or is slower,
            everything goes back by itself. Nothing that runs is cut, and you can undo it.
          </p>
        </>
      )}
      <div class="dialog-actions">
        <button type="button" class="button" onClick={dropProposal}>
          {refused !== "" || nothing ? "Close" : "Cancel"}
        </button>
        {refused === "" && !nothing && (
          <button
            type="button"
            class="button primary"
            disabled={plan === undefined || working}
            onClick={() => void acceptProposal()}
          >
            {proposal.action}
          </button>
        )}
      </div>
    </Dialog>
  );
}
