/// A rule of the contract that a storage breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// An object without bytes is not stored.
    SkipsEmptyObjects,
    /// Of many parts those behind the thousandth are lost.
    LosesLateParts,
    /// Parts of a mebibyte and more come first.
    ReordersParts,
    /// The part behind an empty one is lost.
    EndsAtEmptyParts,
    /// Objects end at 16 MiB.
    CutsLargeObjects,
    /// Bytes of objects written at the same time get mixed.
    MixesWriters,
    /// What is written shows before the end.
    TornWrite,
    /// Objects whose writer was dropped appear.
    KeepsDropped,
    /// Objects that were given up appear.
    KeepsAborted,
    /// A finish that is cut short leaves half of the object.
    TornFinish,
    /// Listings miss the newest object.
    ListingLags,
    /// A create replaces what is there.
    CreateReplaces,
    /// A create looks whether the key is free and then replaces.
    TwoWinners,
    /// As [`Lie::TwoWinners`], for objects of more than 8 MiB.
    TwoLargeWinners,
    /// A key that was deleted cannot be created again.
    DeletedKeysStayTaken,
    /// A replacement of a missing object fails.
    ReplaceNeedsObject,
    /// A replacement fails when the key is taken.
    ReplaceCreates,
    /// Ranges begin a byte late.
    RangeOffByOne,
    /// Ranges that begin at or behind the end fail.
    RangePastTheEndFails,
    /// Empty ranges give everything.
    EmptyRangeIsAll,
    /// Ranges of more than 8 MiB are cut.
    CutsLargeRanges,
    /// The last object of a full page is left out.
    ListingForgets,
    /// A page begins with the last object of the one before.
    ListingRepeats,
    /// The first page says that it is the last.
    ListingEndsEarly,
    /// Prefixes only work up to a `/`.
    ListingByFolder,
    /// Folders sort by their names without the `/`.
    ListingByComponent,
    /// The start of a listing is ignored when nothing is stored there.
    ListingAfterMissingStartsOver,
    /// A prefix with dots fails.
    ListingOfDotsFails,
    /// Of several keys only the first is deleted.
    DeletesTheFirst,
    /// Deleting what is not there fails.
    DeleteOfMissingFails,
    /// Of many keys the first thousand are deleted.
    DeletesAThousand,
    /// Escapes in keys are decoded.
    DecodesPercents,
    /// Keys that differ in case are one.
    FoldsCase,
    /// Long keys are cut.
    CutsLongKeys,
    /// What is missing reads as empty.
    MissingIsEmpty,
    /// A folder is an empty object.
    FoldersAreObjects,
    /// Stat and listings give another time than finish.
    TimeOfStatDiffers,
    /// Each put is earlier than the one before.
    TimeRunsBackwards,
    /// The location shows this secret.
    ShowsSecret(&'static str),
}
