"""Exit codes: the one table from the engine's errors to what a shell sees. Stable, part of the interface."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final

from rstuf import errors


class ExitCode(IntEnum):
    """What a command's exit code means."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    UNVERIFIED = 3
    WAITING = 4
    LOCKED = 5
    STORAGE = 6
    DUE = 7
    OVERDUE = 8
    INTERRUPTED = 130


EXIT_CODES: Final[Mapping[type[errors.RstufError], ExitCode]] = {
    errors.RstufError: ExitCode.REFUSED,
    errors.InvalidInput: ExitCode.REFUSED,
    errors.DelegationNotFound: ExitCode.REFUSED,
    errors.InputMissing: ExitCode.REFUSED,
    errors.InvalidPath: ExitCode.REFUSED,
    errors.InvalidPattern: ExitCode.REFUSED,
    errors.InvalidRoleName: ExitCode.REFUSED,
    errors.InvalidTrustName: ExitCode.REFUSED,
    errors.RoleNotFound: ExitCode.REFUSED,
    errors.InvalidArtifact: ExitCode.REFUSED,
    errors.InvalidRecord: ExitCode.REFUSED,
    errors.InvalidJson: ExitCode.REFUSED,
    errors.InvalidDuration: ExitCode.REFUSED,
    errors.InvalidFingerprint: ExitCode.REFUSED,
    errors.InvalidPolicy: ExitCode.REFUSED,
    errors.InvalidPlan: ExitCode.REFUSED,
    errors.InvalidConfig: ExitCode.REFUSED,
    errors.InvalidBundle: ExitCode.REFUSED,
    errors.InvalidKey: ExitCode.REFUSED,
    errors.InvalidMap: ExitCode.REFUSED,
    errors.InvalidMetadata: ExitCode.UNVERIFIED,
    errors.ArtifactConflict: ExitCode.REFUSED,
    errors.PathRepeated: ExitCode.REFUSED,
    errors.HashMismatch: ExitCode.REFUSED,
    errors.PathTwin: ExitCode.REFUSED,
    errors.ArtifactNotFound: ExitCode.REFUSED,
    errors.ClientsExcluded: ExitCode.REFUSED,
    errors.PathsDisputed: ExitCode.REFUSED,
    errors.PathsNotDelegated: ExitCode.REFUSED,
    errors.LimitExceeded: ExitCode.REFUSED,
    errors.WorkspaceNotFound: ExitCode.REFUSED,
    errors.WorkspaceExists: ExitCode.REFUSED,
    errors.StateExists: ExitCode.REFUSED,
    errors.CeremonyUnfinished: ExitCode.REFUSED,
    errors.CeremonyWaiting: ExitCode.WAITING,
    errors.CeremonyExpired: ExitCode.REFUSED,
    errors.OtherCeremony: ExitCode.REFUSED,
    errors.UnsafeDirectory: ExitCode.REFUSED,
    errors.StateError: ExitCode.STORAGE,
    errors.StateDamaged: ExitCode.STORAGE,
    errors.StateNewer: ExitCode.REFUSED,
    errors.StateSettings: ExitCode.STORAGE,
    errors.StateBehind: ExitCode.REFUSED,
    errors.LooseRootOut: ExitCode.REFUSED,
    errors.VersionsUsedUp: ExitCode.REFUSED,
    errors.Locked: ExitCode.LOCKED,
    errors.ClockSuspicious: ExitCode.REFUSED,
    errors.StorageError: ExitCode.STORAGE,
    errors.FileMissing: ExitCode.STORAGE,
    errors.FileTooLarge: ExitCode.STORAGE,
    errors.NotAFile: ExitCode.STORAGE,
    errors.ForeignMetadata: ExitCode.STORAGE,
    errors.NameTaken: ExitCode.STORAGE,
    errors.SourceChanged: ExitCode.STORAGE,
    errors.SigningError: ExitCode.REFUSED,
    errors.SignerUnavailable: ExitCode.REFUSED,
    errors.SignerMismatch: ExitCode.REFUSED,
    errors.PassphraseNeeded: ExitCode.REFUSED,
    errors.WrongPassphrase: ExitCode.REFUSED,
    errors.PinNeeded: ExitCode.REFUSED,
    errors.WrongPin: ExitCode.REFUSED,
    errors.SignatureRefused: ExitCode.REFUSED,
    errors.EventNotFound: ExitCode.REFUSED,
    errors.EventExpired: ExitCode.REFUSED,
    errors.EventOutdated: ExitCode.REFUSED,
    errors.EventOpen: ExitCode.REFUSED,
    errors.EventChanged: ExitCode.REFUSED,
    errors.EventReplaced: ExitCode.REFUSED,
    errors.NotEnoughSigners: ExitCode.REFUSED,
    errors.RootKeysLost: ExitCode.REFUSED,
    errors.ProposalRefused: ExitCode.UNVERIFIED,
    errors.AnchorNeeded: ExitCode.REFUSED,
    errors.RecordDamaged: ExitCode.STORAGE,
    errors.VerificationFailed: ExitCode.UNVERIFIED,
    errors.ReleaseRefused: ExitCode.UNVERIFIED,
    errors.DeliveryRefused: ExitCode.UNVERIFIED,
    errors.TrustNotFound: ExitCode.REFUSED,
    errors.TrustExists: ExitCode.REFUSED,
    errors.TrustDamaged: ExitCode.STORAGE,
    errors.FingerprintDiffers: ExitCode.UNVERIFIED,
    errors.RepositoryRefused: ExitCode.UNVERIFIED,
    errors.ContentRefused: ExitCode.UNVERIFIED,
    errors.NotAgreed: ExitCode.UNVERIFIED,
    errors.TooFewReached: ExitCode.STORAGE,
    errors.DestinationTaken: ExitCode.REFUSED,
    errors.Interrupted: ExitCode.INTERRUPTED,
}


def exit_code_of(error: errors.RstufError) -> ExitCode:
    """The exit code of an error: its class's own, else that of the nearest class above it."""
    return next(EXIT_CODES[kind] for kind in type(error).__mro__ if kind in EXIT_CODES)
