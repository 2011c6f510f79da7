/** Generated from the OpenAPI document by `npm run types`; never edited by hand. */
export type paths = Record<string, never>;
export type webhooks = Record<string, never>;
export type components = {
    schemas: {
        /** AccountChange */
        AccountChange: {
            /** Active */
            active?: boolean | null;
            /** Department */
            department?: string | null;
            /** Email */
            email?: string | null;
            /** Full Name */
            full_name?: string | null;
            /** Identity Permission */
            identity_permission?: boolean | null;
            role?: components["schemas"]["Role"] | null;
        };
        /**
         * AccountView
         * @description An account as its owner and administrators see it.
         */
        AccountView: {
            /** Active */
            active: boolean;
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /** Department */
            department: string;
            /** Email */
            email: string;
            /** Full Name */
            full_name: string;
            /** Identity Permission */
            identity_permission: boolean;
            /** Language */
            language: string;
            /** Name */
            name: string;
            /** Revision */
            revision: number;
            role: components["schemas"]["Role"];
        };
        /**
         * AlertView
         * @description ``silenced_until``: no notice on pages until then. ``resolved_by``: a person ended it, not its source.
         */
        AlertView: {
            /** Acknowledged At */
            acknowledged_at: string | null;
            /** Acknowledged By */
            acknowledged_by: string | null;
            /** Ended At */
            ended_at: string | null;
            /** Id */
            id: number;
            /** Labels */
            labels: {
                [key: string]: string;
            };
            /** Name */
            name: string;
            /** Resolved By */
            resolved_by?: string | null;
            /** Severity */
            severity: string;
            /** Silenced Until */
            silenced_until?: string | null;
            /**
             * Started At
             * Format: date-time
             */
            started_at: string;
            /** Summary */
            summary: string;
            /** Value */
            value: number | null;
        };
        /**
         * AlertmanagerBody
         * @description Alertmanager's webhook, version 4 (its documentation, "webhook_config"); Grafana writes the same and calls it 1.
         */
        AlertmanagerBody: {
            /** Alerts */
            alerts: components["schemas"]["ToldAlert"][];
            /**
             * Version
             * @enum {string}
             */
            version: "4" | "1";
        };
        /**
         * Attribute
         * @description ``have`` of ``among`` that could have it; ``of``: case or series.
         */
        Attribute: {
            /** Among */
            among: number | null;
            /** Have */
            have: number | null;
            /** Name */
            name: string;
            /**
             * Of
             * @enum {string}
             */
            of: "case" | "series";
        };
        /**
         * AttributeOut
         * @description A name of the search language.
         */
        AttributeOut: {
            /**
             * Grain
             * @description case | label | series | stack | report: conditions on series and stacks hold for one and the same series
             */
            grain: string;
            /**
             * Kind
             * @description code (equal) | text (equal in any case) | words (contains) | number (ranges)
             */
            kind: string;
            /** Name */
            name: string;
            /** Title En */
            title_en: string;
            /** Title Zh */
            title_zh: string;
            /** Unit */
            unit: string;
            /**
             * Values
             * @description The closed set, empty when open.
             */
            values: string[];
        };
        /**
         * AttributeValues
         * @description Values with the number of visible cases that have them; for numbers the range instead.
         */
        AttributeValues: {
            /** Maximum */
            maximum?: number | null;
            /** Minimum */
            minimum?: number | null;
            /**
             * Missing
             * @description Visible cases without any value.
             */
            missing: number;
            /**
             * More
             * @description There are more values than are listed.
             * @default false
             */
            more?: boolean;
            /** Name */
            name: string;
            /** Values */
            values: components["schemas"]["ValueCount"][];
        };
        /** AuditView */
        AuditView: {
            /** Actor */
            actor: string;
            /** After */
            after: {
                [key: string]: unknown;
            } | null;
            /**
             * At
             * Format: date-time
             */
            at: string;
            /** Before */
            before: {
                [key: string]: unknown;
            } | null;
            /** Id */
            id: number;
            /** Request Id */
            request_id: string;
            /** Subject */
            subject: string;
            /** Verb */
            verb: string;
        };
        /**
         * BulkChange
         * @description One change to many cases, by key.
         */
        BulkChange: {
            /**
             * Action
             * @enum {string}
             */
            action: "delete" | "restore" | "note";
            /** Keys */
            keys: string[];
            /**
             * Note
             * @description The new note, for `note`.
             */
            note?: string | null;
        };
        /** BulkDone */
        BulkDone: {
            /** Changed */
            changed: number;
            /**
             * Unchanged
             * @description They were so before.
             */
            unchanged: number;
        };
        /**
         * BulkRows
         * @description One change to many rows, by UID or key: all or none, one audit event each.
         */
        BulkRows: {
            /**
             * Action
             * @enum {string}
             */
            action: "delete" | "restore";
            /** Keys */
            keys: string[];
        };
        /** CaseChange */
        "CaseChange-Input": {
            /** Note */
            note: string;
        };
        /** CaseChange */
        "CaseChange-Output": {
            /** After */
            after: {
                [key: string]: unknown;
            };
            /** Before */
            before: {
                [key: string]: unknown;
            };
            /** Case Id */
            case_id: string;
        };
        /** CaseCount */
        CaseCount: {
            /**
             * By Label
             * @description Cases by class of each disease's first scheme; `review` and `none` beside the classes.
             */
            by_label: {
                [key: string]: number;
            };
            /** Cases */
            cases: number;
            /** Instances */
            instances: number;
            /**
             * Left Out Null
             * @description Cases that lack a value the filter asks for; `include_null` takes them in.
             */
            left_out_null: number;
            /** Series */
            series: number;
            /** Size Bytes */
            size_bytes: number;
        };
        /** CaseDetail */
        CaseDetail: {
            /**
             * Age Years
             * @description At the first examination; ages above 89 are 90.
             */
            age_years: number | null;
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /**
             * Deleted
             * @default false
             */
            deleted?: boolean;
            /** Disease */
            disease: string;
            /** Filled */
            filled: components["schemas"]["FilledOut"][];
            /** Formats */
            formats: string[];
            /**
             * History
             * @description Newest first, the last 100; for those who see every disease.
             */
            history: components["schemas"]["HistoryOut"][];
            /** Key */
            key: string;
            label: components["schemas"]["CurrentLabel"] | null;
            /** Labels */
            labels: components["schemas"]["LabelOut"][];
            /** Modalities */
            modalities: string[];
            /** Note */
            note: string;
            /** Reports */
            reports: components["schemas"]["ReportOut"][];
            /** Resources */
            resources: components["schemas"]["ResourceOut"][];
            /** Revision */
            revision: number;
            /**
             * Sex
             * @description M, F, O, or empty when nobody knows
             */
            sex: string;
            /** Studies */
            studies: components["schemas"]["StudyOut"][];
            /** Thumbnail */
            thumbnail: string | null;
        };
        /** CaseOut */
        CaseOut: {
            /**
             * Age Years
             * @description At the first examination; ages above 89 are 90.
             */
            age_years: number | null;
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /**
             * Deleted
             * @default false
             */
            deleted?: boolean;
            /** Disease */
            disease: string;
            /** Formats */
            formats: string[];
            /** Key */
            key: string;
            label: components["schemas"]["CurrentLabel"] | null;
            /** Modalities */
            modalities: string[];
            /** Reports */
            reports: number;
            /** Revision */
            revision: number;
            /** Series */
            series: number;
            /**
             * Sex
             * @description M, F, O, or empty when nobody knows
             */
            sex: string;
            /** Studies */
            studies: number;
            /** Thumbnail */
            thumbnail: string | null;
        };
        /** CasePage */
        CasePage: {
            /** Items */
            items: components["schemas"]["CaseOut"][];
            /** Next */
            next?: string | null;
        };
        /** CaseQuery */
        CaseQuery: {
            /**
             * Query
             * @default {}
             */
            query?: {
                [key: string]: unknown;
            };
        };
        /**
         * CaseSearch
         * @description A filter of the search language, and where to go on.
         */
        CaseSearch: {
            /** Cursor */
            cursor?: string | null;
            /**
             * Limit
             * @default 50
             */
            limit?: number;
            /**
             * Query
             * @default {}
             */
            query?: {
                [key: string]: unknown;
            };
        };
        /** CategoryDocument */
        CategoryDocument: {
            /** Grades */
            grades: {
                [key: string]: "malignant" | "benign" | "uncertain";
            };
            /** Id */
            id: string;
            /** Pattern */
            pattern: string;
        };
        /**
         * Chart
         * @description ``attributes``: for each dimension its name in the search language, "" where its values are none of that.
         */
        Chart: {
            /** Attributes */
            attributes: string[];
            /** By */
            by: string;
            /** Cross */
            cross: string;
            /** Name */
            name: string;
            table: components["schemas"]["Statistics"];
        };
        /** Choice */
        Choice: {
            /**
             * Final
             * @description Once given, it cannot be taken back.
             * @default false
             */
            final?: boolean;
            /** Title En */
            title_en: string;
            /** Title Zh */
            title_zh: string;
            /** Value */
            value: string;
        };
        /** ClassDocument */
        ClassDocument: {
            title: components["schemas"]["Titles"];
            /** Value */
            value: string;
        };
        /**
         * Comparison
         * @description From one version of a dataset to another, by case. Lists are cut at ``limit``; the counts are not.
         */
        Comparison: {
            /** Added */
            added: string[];
            /** After */
            after: string;
            /**
             * Before
             * @description name@number
             */
            before: string;
            /**
             * Counts
             * @description added, removed, relabelled, moved, other_files, same
             */
            counts: {
                [key: string]: number;
            };
            /**
             * Moved
             * @description Cases in another part than before.
             */
            moved: components["schemas"]["CaseChange-Output"][];
            /**
             * Other Files
             * @description Cases with other images, or other bytes of them.
             */
            other_files: string[];
            /** Relabelled */
            relabelled: components["schemas"]["CaseChange-Output"][];
            /** Removed */
            removed: string[];
        };
        /** Completeness */
        Completeness: {
            /** Attributes */
            attributes: components["schemas"]["Attribute"][];
            /**
             * Counted At
             * Format: date-time
             */
            counted_at: string;
            /**
             * Stale
             * @default false
             */
            stale?: boolean;
        };
        /**
         * Copy
         * @description The column copy of a process. ``revision`` -1: not loaded yet. ``right`` only when it was checked.
         */
        Copy: {
            /** Caught Up At */
            caught_up_at: string | null;
            /** Revision */
            revision: number;
            /** Right */
            right: boolean | null;
            /** Tables */
            tables: components["schemas"]["CopyTable"][];
        };
        /**
         * CopyTable
         * @description ``different``: rows that stand in the copy or in the catalog only.
         */
        CopyTable: {
            /** Different */
            different: number;
            /** Name */
            name: string;
            /** Rows */
            rows: number;
        };
        /**
         * CreatedAccount
         * @description With the generated password, shown this once; null when the request gave one.
         */
        CreatedAccount: {
            /** Active */
            active: boolean;
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /** Department */
            department: string;
            /** Email */
            email: string;
            /** Full Name */
            full_name: string;
            /** Identity Permission */
            identity_permission: boolean;
            /** Language */
            language: string;
            /** Name */
            name: string;
            /** Password */
            password?: string | null;
            /** Revision */
            revision: number;
            role: components["schemas"]["Role"];
        };
        /**
         * CurrentLabel
         * @description The label that counts now.
         */
        CurrentLabel: {
            /** Confidence */
            confidence: number;
            /** Scheme */
            scheme: string;
            /**
             * Source
             * @description rule | model | reviewer | provided
             */
            source: string;
            /**
             * State
             * @description sure | review | decided
             */
            state: string;
            /** Value */
            value: string;
        };
        /** Dashboard */
        Dashboard: {
            /** By */
            by: string;
            /** Charts */
            charts: components["schemas"]["Chart"][];
            /**
             * Counted At
             * Format: date-time
             */
            counted_at: string;
            /**
             * Stale
             * @default false
             */
            stale?: boolean;
            /** Totals */
            totals: {
                [key: string]: number | null;
            };
        };
        /** DatasetDetail */
        DatasetDetail: {
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /** Created By */
            created_by: string;
            /** Description */
            description: string;
            /** Disease */
            disease: string;
            /**
             * Latest
             * @description Number of the newest version.
             */
            latest: number | null;
            /** Licence */
            licence: string;
            /** Name */
            name: string;
            /** Revision */
            revision: number;
            /** Scheme */
            scheme: string;
            /** Title */
            title: string;
            /**
             * Versions
             * @description Newest first.
             */
            versions: components["schemas"]["VersionOut"][];
        };
        /**
         * DatasetEdit
         * @description What may change of a dataset; its name, disease and scheme may not, and its versions never do.
         */
        DatasetEdit: {
            /** Description */
            description?: string | null;
            /** Licence */
            licence?: string | null;
            /** Title */
            title?: string | null;
        };
        /** DatasetIn */
        DatasetIn: {
            /**
             * Description
             * @default
             */
            description?: string;
            /** Disease */
            disease: string;
            /**
             * Licence
             * @default
             */
            licence?: string;
            /**
             * Name
             * @description Small letters, digits, - and _; it stands in name@version.
             */
            name: string;
            /**
             * Scheme
             * @description Label scheme; empty = the first of the disease.
             * @default
             */
            scheme?: string;
            /**
             * Title
             * @default
             */
            title?: string;
        };
        /** DatasetOut */
        DatasetOut: {
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /** Created By */
            created_by: string;
            /** Description */
            description: string;
            /** Disease */
            disease: string;
            /**
             * Latest
             * @description Number of the newest version.
             */
            latest: number | null;
            /** Licence */
            licence: string;
            /** Name */
            name: string;
            /** Revision */
            revision: number;
            /** Scheme */
            scheme: string;
            /** Title */
            title: string;
        };
        /** DatasetPage */
        DatasetPage: {
            /** Items */
            items: components["schemas"]["DatasetOut"][];
            /** Next */
            next?: string | null;
        };
        /** Decision */
        Decision: {
            /**
             * Note
             * @default
             */
            note?: string;
            /** Revision */
            revision: number;
            /** Value */
            value: string;
        };
        /** DecisionResult */
        DecisionResult: {
            next: components["schemas"]["ReviewView"] | null;
            review: components["schemas"]["ReviewView"];
        };
        /**
         * DeliveryView
         * @description ``way``: mail | webhook. ``failure`` '' when the last notice of this way was taken.
         */
        DeliveryView: {
            /** Dropped */
            dropped: number;
            /**
             * Failure
             * @default
             */
            failure?: string;
            /** Sent At */
            sent_at?: string | null;
            /** Waiting */
            waiting: number;
            /** Way */
            way: string;
        };
        /** DiseaseDetail */
        DiseaseDetail: {
            /**
             * Cases
             * @description Cases this account may see.
             */
            cases: number;
            /** Code */
            code: string;
            /**
             * Definition
             * @description The document, for those who may change it; empty for others.
             */
            definition: {
                [key: string]: unknown;
            };
            /**
             * Deleted
             * @default false
             */
            deleted?: boolean;
            /** Prefix */
            prefix: string;
            /** Revision */
            revision: number;
            /** Schemes */
            schemes: components["schemas"]["LabelSchemeOut"][];
            /** Title En */
            title_en: string;
            /** Title Zh */
            title_zh: string;
        };
        /**
         * DiseaseDocument
         * @description A disease as posted, and as its TOML says it.
         */
        DiseaseDocument: {
            /**
             * Body Parts
             * @default []
             */
            body_parts?: string[];
            /**
             * Categories
             * @default []
             */
            categories?: components["schemas"]["CategoryDocument"][];
            /** Code */
            code: string;
            /**
             * Modalities
             * @default []
             */
            modalities?: string[];
            /**
             * Number
             * @description Of the rule set; raise it when terms change.
             * @default 1
             */
            number?: number;
            /** Organ */
            organ: string;
            /**
             * Organ Words
             * @default []
             */
            organ_words?: string[];
            /**
             * Prefix
             * @description Of case keys: LIV gives LIV-000123.
             */
            prefix: string;
            /** Schemes */
            schemes: components["schemas"]["SchemeDocument"][];
            /**
             * Terms
             * @default []
             */
            terms?: components["schemas"]["TermDocument"][];
            title: components["schemas"]["Titles"];
        };
        /**
         * DiseaseNumbers
         * @description What is there of one disease, as far as this account may see it; null where the site hides so few patients.
         */
        DiseaseNumbers: {
            /** Cases */
            cases: number | null;
            /** Code */
            code: string;
            /** Instances */
            instances: number | null;
            /** Labelled */
            labelled: number | null;
            /** Patients */
            patients: number | null;
            /** Review */
            review: number | null;
            /** Series */
            series: number | null;
            /** Size Bytes */
            size_bytes: number | null;
            /** Studies */
            studies: number | null;
            /** Title En */
            title_en: string;
            /** Title Zh */
            title_zh: string;
        };
        /** DiseaseOut */
        DiseaseOut: {
            /**
             * Cases
             * @description Cases this account may see.
             */
            cases: number;
            /** Code */
            code: string;
            /**
             * Deleted
             * @default false
             */
            deleted?: boolean;
            /** Prefix */
            prefix: string;
            /** Revision */
            revision: number;
            /** Schemes */
            schemes: components["schemas"]["LabelSchemeOut"][];
            /** Title En */
            title_en: string;
            /** Title Zh */
            title_zh: string;
        };
        /** Entry */
        Entry: {
            /**
             * Kind
             * @enum {string}
             */
            kind: "folder" | "file";
            /** Name */
            name: string;
            /** Size Bytes */
            size_bytes: number;
        };
        /**
         * Exams
         * @description Studies by true examination day or month, of all the site's imports; ECharts dataset form, oldest first.
         */
        Exams: {
            /** Dimensions */
            dimensions: string[];
            /** Source */
            source: (string | number | null)[][];
        };
        /** ExportIn */
        ExportIn: {
            /**
             * Format
             * @description nifti | png | jpeg | patches | labels | monai | nnunet | bids | coco | medmnist | imagefolder ...
             */
            format: string;
            /**
             * Options
             * @description Options of the format; docs/datasets.md lists them.
             * @default {}
             */
            options?: {
                [key: string]: unknown;
            };
        };
        /** ExportList */
        ExportList: {
            /** Items */
            items: components["schemas"]["ExportOut"][];
        };
        /** ExportOut */
        ExportOut: {
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /** Created By */
            created_by: string;
            /**
             * Digest
             * @description SHA-256 of the export's manifest, when finished.
             */
            digest: string | null;
            /**
             * Done
             * @description Series converted, and one for the last step.
             */
            done: number;
            /** Files */
            files: number | null;
            /** Finished At */
            finished_at: string | null;
            /** Format */
            format: string;
            /**
             * Key
             * @description Names the export within its version: the same format and options are the same export.
             */
            key: string;
            /**
             * Notes
             * @description What the format cannot hold of this version, such as masks that are not there.
             */
            notes: string[];
            /** Options */
            options: {
                [key: string]: unknown;
            };
            /**
             * Reason
             * @description Why it failed; empty otherwise.
             */
            reason: string;
            /**
             * Reference
             * @description name@number
             */
            reference: string;
            /**
             * Refused
             * @description Reason -> how many series or stacks were refused for it; refused.csv names them.
             */
            refused: {
                [key: string]: number;
            };
            /** Size Bytes */
            size_bytes: number | null;
            /** Started At */
            started_at: string | null;
            /**
             * State
             * @description open | running | finished | failed | cancelled
             */
            state: string;
            /**
             * Total
             * @description 0 until it is known.
             */
            total: number;
        };
        /** FacetQuery */
        FacetQuery: {
            /**
             * Names
             * @description Attributes wanted; null = all but case keys and descriptions.
             */
            names?: string[] | null;
            /**
             * Query
             * @default {}
             */
            query?: {
                [key: string]: unknown;
            };
        };
        /**
         * Facets
         * @description Each attribute's values with the cases one finds when the attribute is set to that value and the rest stays.
         */
        Facets: {
            /**
             * Cases
             * @description Cases of the filter itself.
             */
            cases: number;
            /** Facets */
            facets: components["schemas"]["AttributeValues"][];
        };
        /** FilledOut */
        FilledOut: {
            /** Name */
            name: string;
            /** Source */
            source: string;
            /** Value */
            value: string;
        };
        /** Folder */
        Folder: {
            /** Entries */
            entries: components["schemas"]["Entry"][];
            /** Path */
            path: string;
            /** Root */
            root: string;
        };
        /** FormatList */
        FormatList: {
            /** Items */
            items: components["schemas"]["FormatOut"][];
        };
        /** FormatOut */
        FormatOut: {
            /** Format */
            format: string;
            /** Options */
            options: string[];
        };
        /**
         * FreezeIn
         * @description What a version is made of. The disease and scheme are the dataset's.
         */
        FreezeIn: {
            /**
             * Balance
             * @description By patient: under leaves patients of the larger classes out, over says `repeats`, weights says `weight` in labels.csv.
             */
            balance?: ("under" | "over" | "weights") | null;
            /**
             * Balance Parts
             * @description Parts to balance; null = train when there is one, else all.
             */
            balance_parts?: string[] | null;
            /**
             * Folds
             * @description Folds of what is not in the part test, by patient, stratified by label.
             */
            folds?: number | null;
            /**
             * Label States
             * @default [
             *       "sure",
             *       "decided"
             *     ]
             */
            label_states?: ("sure" | "decided")[];
            /**
             * Query
             * @default {}
             */
            query?: {
                [key: string]: unknown;
            };
            /**
             * Seed
             * @default 0
             */
            seed?: number;
            /** Split */
            split?: {
                [key: string]: number;
            } | null;
        };
        /**
         * LinkView
         * @description ``url`` goes in front of an address of that series or resource, such as /slides/UID.dzi or /dicom-web/studies/...
         */
        GatewayLinkView: {
            /**
             * Expires At
             * Format: date-time
             */
            expires_at: string;
            /**
             * Kind
             * @enum {string}
             */
            kind: "series" | "resource";
            /** Url */
            url: string;
        };
        /** GrantsOut */
        GrantsOut: {
            /** Datasets */
            datasets: string[];
            /** Diseases */
            diseases: string[];
        };
        /** Guess */
        Guess: {
            /** Column */
            column: string;
            /** Confidence */
            confidence: number;
            /** Why */
            why: string;
        };
        /** HTTPValidationError */
        HTTPValidationError: {
            /** Detail */
            detail?: components["schemas"]["ValidationError"][];
        };
        /**
         * History
         * @description Newest first.
         */
        History: {
            /** Items */
            items: components["schemas"]["HistoryOut"][];
            /** Next */
            next?: string | null;
        };
        /** HistoryOut */
        HistoryOut: {
            /** Actor */
            actor: string;
            /** After */
            after: {
                [key: string]: unknown;
            } | null;
            /**
             * At
             * Format: date-time
             */
            at: string;
            /** Before */
            before: {
                [key: string]: unknown;
            } | null;
            /** Verb */
            verb: string;
        };
        /** HospitalIn */
        HospitalIn: {
            /** Code */
            code: string;
            /**
             * Title
             * @default
             */
            title?: string;
        };
        /** HospitalOut */
        HospitalOut: {
            /** Code */
            code: string;
            /** Revision */
            revision: number;
            /** Title */
            title: string;
        };
        /**
         * HostView
         * @description ``stale`` when the last sample is older than half a minute.
         */
        HostView: {
            /** History */
            history: components["schemas"]["StatsSample"][];
            /** Host */
            host: string;
            latest: components["schemas"]["StatsSample"];
            /** Stale */
            stale: boolean;
        };
        /** ImportView */
        ImportView: {
            /** Account */
            account: string;
            /** Counts */
            counts: {
                [key: string]: {
                    [key: string]: number;
                };
            };
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /** Diseases */
            diseases: string[];
            /** Eta Seconds */
            eta_seconds: number | null;
            /** Failure */
            failure: string;
            /** Finished At */
            finished_at: string | null;
            /** Held */
            held: number;
            /** Hospital */
            hospital: string;
            /** Key */
            key: string;
            /** Labels */
            labels: {
                [key: string]: number;
            };
            /** Links */
            links: {
                [key: string]: number;
            };
            /** Reviews Open */
            reviews_open: number;
            /** Revision */
            revision: number;
            /** Source Kind */
            source_kind: string;
            /** Stage */
            stage: string;
            /** Stages */
            stages: components["schemas"]["StageProgress"][];
            /** State */
            state: string;
            /** Sums Ok */
            sums_ok: boolean;
            /** Totals */
            totals: {
                [key: string]: number;
            };
        };
        /** InstanceOut */
        InstanceOut: {
            /** Columns */
            columns: number;
            /** Frames */
            frames: number;
            /** Media Type */
            media_type: string;
            /** Number */
            number: number;
            /** Rows */
            rows: number;
            /** Sha256 */
            sha256: string;
            /** Size Bytes */
            size_bytes: number;
            /** Sop Uid */
            sop_uid: string;
            /** State */
            state: string;
            /** Transfer Syntax Uid */
            transfer_syntax_uid: string;
        };
        /** InstancePage */
        InstancePage: {
            /** Items */
            items: components["schemas"]["InstanceOut"][];
            /** Next */
            next?: string | null;
        };
        /** ItemView */
        ItemView: {
            /** Detail */
            detail: string;
            /** Extension */
            extension: string;
            /** Kind */
            kind: string;
            /** Label State */
            label_state: string;
            /** Link State */
            link_state: string;
            /** Ordinal */
            ordinal: number;
            /** Origin */
            origin: string;
            /** Outcome */
            outcome: string | null;
            /** Path */
            path?: string | null;
            /** Reason */
            reason: string;
            /** Report Key */
            report_key: string | null;
            /** Row Number */
            row_number: number | null;
            /** Series Uid */
            series_uid: string | null;
            /** Size Bytes */
            size_bytes: number;
            /** Study Uid */
            study_uid: string | null;
        };
        /** LabelClassOut */
        LabelClassOut: {
            /** Code */
            code: string;
            /** Title En */
            title_en: string;
            /** Title Zh */
            title_zh: string;
        };
        /**
         * LabelOut
         * @description A label with why; one of a case, or of a report.
         */
        LabelOut: {
            /** Confidence */
            confidence: number;
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /** Decided By */
            decided_by: string | null;
            /**
             * Evidence
             * @description [{section, start, end, ...}]: offsets into the report's sections.
             */
            evidence: unknown[];
            /** Reason */
            reason: string;
            /** Report Key */
            report_key: string | null;
            /** Rule Set */
            rule_set: string | null;
            /** Scheme */
            scheme: string;
            /** Source */
            source: string;
            /**
             * State
             * @description State of the case's label when this one counts now, else empty.
             */
            state: string;
            /**
             * Undone
             * @description A reviewer's answer that was taken back.
             * @default false
             */
            undone?: boolean;
            /** Value */
            value: string;
        };
        /** LabelSchemeOut */
        LabelSchemeOut: {
            /** Active */
            active: boolean;
            /** Classes */
            classes: components["schemas"]["LabelClassOut"][];
            /** Code */
            code: string;
            /** Meaning En */
            meaning_en: string;
            /** Meaning Zh */
            meaning_zh: string;
            /** Number */
            number: number;
            /** Threshold */
            threshold: number;
            /** Title En */
            title_en: string;
            /** Title Zh */
            title_zh: string;
        };
        /**
         * LinkChange
         * @description A report put to a study by hand, or taken from it.
         */
        LinkChange: {
            /** Linked */
            linked: boolean;
            /** Report Key */
            report_key: string;
            /** Study Uid */
            study_uid: string;
        };
        /** LinkOut */
        LinkOut: {
            /** Score */
            score: number;
            /** State */
            state: string;
            /** Study Uid */
            study_uid: string;
        };
        /**
         * LinkRequest
         * @description One of ``series`` (its UID) and ``resource`` (its SHA-256).
         */
        LinkRequest: {
            /** Resource */
            resource?: string | null;
            /**
             * Seconds
             * @default 600
             */
            seconds?: number;
            /** Series */
            series?: string | null;
        };
        /** LinkView */
        LinkView: {
            /** Active */
            active: boolean;
            /** Generation */
            generation: number;
            /** Report Key */
            report_key: string;
            /** State */
            state: string;
            /** Study Uid */
            study_uid: string;
        };
        /** Meaning */
        Meaning: {
            /**
             * En
             * @default
             */
            en?: string;
            /**
             * Zh
             * @default
             */
            zh?: string;
        };
        /** Move */
        Move: {
            /** Count */
            count: number;
            /** New */
            new: string;
            /** Old */
            old: string;
        };
        /** NewAccount */
        NewAccount: {
            /**
             * Department
             * @default
             */
            department?: string;
            /**
             * Email
             * @default
             */
            email?: string;
            /**
             * Full Name
             * @default
             */
            full_name?: string;
            /**
             * Identity Permission
             * @default false
             */
            identity_permission?: boolean;
            /**
             * Language
             * @default
             * @enum {string}
             */
            language?: "" | "en" | "zh-CN";
            /**
             * Name
             * @description 2 to 64 of a-z 0-9 . _ -
             */
            name: string;
            /** Password */
            password?: string | null;
            role: components["schemas"]["Role"];
        };
        /** NewImport */
        NewImport: {
            /**
             * Diseases
             * @default auto
             */
            diseases?: string[] | "auto";
            /** Hospital */
            hospital: string;
            /** Schemes */
            schemes?: {
                [key: string]: string;
            };
            source: components["schemas"]["Source"];
            /** Tables */
            tables?: components["schemas"]["TableSource"][];
        };
        /**
         * NewSilence
         * @description ``matcher``: name, severity, host, service, instance ... -> the exact value; all must fit.
         */
        NewSilence: {
            /**
             * Comment
             * @default
             */
            comment?: string;
            /** Matcher */
            matcher: {
                [key: string]: string;
            };
            /** Minutes */
            minutes: number;
        };
        /**
         * NewToken
         * @description With the secret, which is shown this once.
         */
        NewToken: {
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /**
             * Expires At
             * Format: date-time
             */
            expires_at: string;
            /** Id */
            id: number;
            /** Last Used At */
            last_used_at: string | null;
            /** Name */
            name: string;
            /** Prefix */
            prefix: string;
            /** Token */
            token: string;
        };
        /** NextReview */
        NextReview: {
            /** Disease */
            disease?: string | null;
            /** Kind */
            kind?: string | null;
        };
        /**
         * OncePassword
         * @description A generated password, shown this once.
         */
        OncePassword: {
            /** Password */
            password: string;
        };
        /**
         * Overview
         * @description ``totals`` count each patient and series once, however many diseases they belong to.
         */
        Overview: {
            /**
             * Counted At
             * Format: date-time
             */
            counted_at: string;
            /** Diseases */
            diseases: components["schemas"]["DiseaseNumbers"][];
            /** Imports Recent */
            imports_recent: components["schemas"]["RecentImport"][];
            /** Reviews Open */
            reviews_open: number;
            /**
             * Stale
             * @default false
             */
            stale?: boolean;
            /** Totals */
            totals: {
                [key: string]: number | null;
            };
        };
        /** Page[AccountView] */
        Page_AccountView_: {
            /** Items */
            items: components["schemas"]["AccountView"][];
            /** Next */
            next?: string | null;
        };
        /** Page[AlertView] */
        Page_AlertView_: {
            /** Items */
            items: components["schemas"]["AlertView"][];
            /** Next */
            next?: string | null;
        };
        /** Page[AttributeOut] */
        Page_AttributeOut_: {
            /** Items */
            items: components["schemas"]["AttributeOut"][];
            /** Next */
            next?: string | null;
        };
        /** Page[AuditView] */
        Page_AuditView_: {
            /** Items */
            items: components["schemas"]["AuditView"][];
            /** Next */
            next?: string | null;
        };
        /** Page[DiseaseOut] */
        Page_DiseaseOut_: {
            /** Items */
            items: components["schemas"]["DiseaseOut"][];
            /** Next */
            next?: string | null;
        };
        /** Page[HospitalOut] */
        Page_HospitalOut_: {
            /** Items */
            items: components["schemas"]["HospitalOut"][];
            /** Next */
            next?: string | null;
        };
        /** Page[ImportView] */
        Page_ImportView_: {
            /** Items */
            items: components["schemas"]["ImportView"][];
            /** Next */
            next?: string | null;
        };
        /** Page[ItemView] */
        Page_ItemView_: {
            /** Items */
            items: components["schemas"]["ItemView"][];
            /** Next */
            next?: string | null;
        };
        /** Page[ProjectOut] */
        Page_ProjectOut_: {
            /** Items */
            items: components["schemas"]["ProjectOut"][];
            /** Next */
            next?: string | null;
        };
        /** Page[ReviewView] */
        Page_ReviewView_: {
            /** Items */
            items: components["schemas"]["ReviewView"][];
            /** Next */
            next?: string | null;
        };
        /** PartCountOut */
        PartCountOut: {
            /** Cases */
            cases: number;
            /** Label */
            label: string;
            /**
             * Part
             * @description "" without a split; the number of the fold in `folds`.
             */
            part: string;
            /** Patients */
            patients: number;
        };
        /** PasswordChange */
        PasswordChange: {
            /** Current */
            current: string;
            /** New */
            new: string;
        };
        /**
         * Permission
         * @description What a route asks for. PUBLIC and SIGNED_IN need no role.
         * @enum {string}
         */
        Permission: "public" | "signed_in" | "read_catalog" | "download" | "freeze" | "import" | "edit_catalog" | "review" | "configure" | "administer" | "servers" | "statistics";
        /**
         * PreviewIn
         * @description A recipe to look at before it is applied.
         */
        PreviewIn: {
            /** Augment */
            augment: unknown[];
            /**
             * Copies
             * @default 2
             */
            copies?: number;
            /**
             * Seed
             * @default 0
             */
            seed?: number;
            /**
             * Series Uid
             * @description A series of the version; null = its first.
             */
            series_uid?: string | null;
        };
        Problem: {
            detail: string;
            /** @description The offending input, where there is one. */
            field?: string;
            status: number;
            title: string;
            type: string;
        };
        /** ProfileChange */
        ProfileChange: {
            /** Department */
            department?: string | null;
            /** Email */
            email?: string | null;
            /** Full Name */
            full_name?: string | null;
            /** Language */
            language?: ("" | "en" | "zh-CN") | null;
        };
        /** ProjectChange */
        ProjectChange: {
            /** Title */
            title: string;
        };
        /** ProjectIn */
        ProjectIn: {
            /** Code */
            code: string;
            /**
             * Title
             * @default
             */
            title?: string;
        };
        /** ProjectOut */
        ProjectOut: {
            /** Code */
            code: string;
            grants: components["schemas"]["GrantsOut"];
            /** Members */
            members: string[];
            /** Revision */
            revision: number;
            /** Title */
            title: string;
        };
        /** Proposal */
        Proposal: {
            /** Account */
            account: string;
            /** Applied By */
            applied_by: string | null;
            /** Case Moves */
            case_moves: components["schemas"]["Move"][];
            /** Cases */
            cases: number;
            /** Changes */
            changes: {
                [key: string]: unknown;
            }[];
            /** Conflicts */
            conflicts: {
                [key: string]: unknown;
            }[];
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /** Decided */
            decided: number;
            /**
             * Done
             * @description Cases so far.
             */
            done: number;
            /** Failed */
            failed: number;
            /** Failure */
            failure: string;
            /** Finished At */
            finished_at: string | null;
            /** Key */
            key: string;
            new: components["schemas"]["Rates"];
            /** Number */
            number: number;
            old: components["schemas"]["Rates"];
            /**
             * Outdated
             * @description The rules in use are not those it was measured against.
             */
            outdated: boolean;
            /** Reasons */
            reasons: {
                [key: string]: {
                    [key: string]: number;
                };
            };
            /** Report Moves */
            report_moves: components["schemas"]["Move"][];
            /** Reports */
            reports: number;
            /** Rules */
            rules: components["schemas"]["RuleLine"][];
            /** Sample */
            sample: components["schemas"]["Sample"][];
            /** State */
            state: string;
            /** Text */
            text: string;
            /**
             * Told Moves
             * @description Of the schemes that reports tell outright, by code: cases that have or would get a class.
             */
            told_moves: {
                [key: string]: components["schemas"]["Move"][];
            };
            /** Total */
            total: number;
            /**
             * Unused
             * @description Rules of the disease that spoke in no report.
             */
            unused: string[];
        };
        /** ProposalLine */
        ProposalLine: {
            /** Account */
            account: string;
            /** Applied By */
            applied_by: string | null;
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /**
             * Done
             * @description Cases so far.
             */
            done: number;
            /** Failure */
            failure: string;
            /** Finished At */
            finished_at: string | null;
            /** Key */
            key: string;
            /** Number */
            number: number;
            /** State */
            state: string;
            /** Total */
            total: number;
        };
        /**
         * Purged
         * @description What is gone for good.
         */
        Purged: {
            /**
             * Objects
             * @description Objects that a sweep removes within minutes, unless something else still refers to them.
             */
            objects: number;
        };
        /**
         * Rates
         * @description Coverage and accuracy of one side: shares 0..1, None without anything to count.
         */
        Rates: {
            /** Accuracy */
            accuracy: number | null;
            /** Coverage */
            coverage: number | null;
            /** Review */
            review: number;
            /** Right */
            right: number;
            /** Sure */
            sure: number;
            /** Wrong */
            wrong: number;
        };
        /** Reason */
        Reason: {
            /** Count */
            count: number;
            /** Kind */
            kind: string;
            /** Outcome */
            outcome: string;
            /** Reason */
            reason: string;
        };
        /** RecentImport */
        RecentImport: {
            /** Account */
            account: string;
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /** Finished At */
            finished_at: string | null;
            /** Hospital */
            hospital: string;
            /** Key */
            key: string;
            /** Stage */
            stage: string;
            /** State */
            state: string;
        };
        /** Reopen */
        Reopen: {
            /** Scheme */
            scheme: string;
        };
        /** ReportChange */
        ReportChange: {
            /** Body Part */
            body_part?: string | null;
            /** Kind */
            kind?: ("imaging" | "pathology") | null;
        };
        /** ReportDetailOut */
        ReportDetailOut: {
            /** Body Part */
            body_part: string;
            /** Cases */
            cases: string[];
            /**
             * Characters
             * @description Of all sections of the newest text.
             */
            characters: number;
            /** Deleted */
            deleted: boolean;
            /** Key */
            key: string;
            /** Kind */
            kind: string;
            /** Language */
            language: string;
            /** Revision */
            revision: number;
            /** Sections */
            sections: {
                [key: string]: string;
            };
            /** Shifted Date */
            shifted_date: string | null;
            /**
             * Versions
             * @description Texts there have been; a changed link writes the next.
             */
            versions: number;
        };
        /** ReportHit */
        ReportHit: {
            /** Cases */
            cases: string[];
            /**
             * Hits
             * @description The first 20 places.
             */
            hits: components["schemas"]["TextHit"][];
            /** Kind */
            kind: string;
            /** Report */
            report: string;
        };
        /** ReportHits */
        ReportHits: {
            /**
             * Cases
             * @description Cases they belong to.
             */
            cases: number;
            /** Items */
            items: components["schemas"]["ReportHit"][];
            /** Next */
            next?: string | null;
            /**
             * Reports
             * @description Reports found in all, exactly.
             */
            reports: number;
        };
        /** ReportOut */
        ReportOut: {
            /** Key */
            key: string;
            /** Kind */
            kind: string;
            /** Labels */
            labels: components["schemas"]["LabelOut"][];
            /** Language */
            language: string;
            /** Links */
            links: components["schemas"]["LinkOut"][];
            /** Sections */
            sections: {
                [key: string]: unknown;
            };
            /** Shifted Date */
            shifted_date: string | null;
        };
        /** ReportQuery */
        ReportQuery: {
            /** Cursor */
            cursor?: string | null;
            /**
             * Limit
             * @default 50
             */
            limit?: number;
            /**
             * Query
             * @description Only reports of the cases this filter finds.
             * @default {}
             */
            query?: {
                [key: string]: unknown;
            };
            /**
             * Text
             * @description Found as it stands, in any case; Chinese or English.
             */
            text: string;
        };
        /** ReportRow */
        ReportRow: {
            /** Body Part */
            body_part: string;
            /** Cases */
            cases: string[];
            /**
             * Characters
             * @description Of all sections of the newest text.
             */
            characters: number;
            /** Deleted */
            deleted: boolean;
            /** Key */
            key: string;
            /** Kind */
            kind: string;
            /** Language */
            language: string;
            /** Revision */
            revision: number;
            /** Shifted Date */
            shifted_date: string | null;
        };
        /** ReportRows */
        ReportRows: {
            /** Items */
            items: components["schemas"]["ReportRow"][];
            /** Next */
            next?: string | null;
        };
        /** ResourceChange */
        ResourceChange: {
            /** Code */
            code?: string | null;
            /** Title */
            title?: string | null;
        };
        /** ResourceOut */
        ResourceOut: {
            /** Code */
            code: string;
            /** Media Type */
            media_type: string;
            /** Sha256 */
            sha256: string;
            /** Size Bytes */
            size_bytes: number;
            /** State */
            state: string;
            /** Title */
            title: string;
            /** Url */
            url: string;
        };
        /** ResourceRow */
        ResourceRow: {
            /** Case */
            case: string;
            /** Code */
            code: string;
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /** Deleted */
            deleted: boolean;
            /** Media Type */
            media_type: string;
            /** Revision */
            revision: number;
            /** Sha256 */
            sha256: string;
            /** Size Bytes */
            size_bytes: number;
            /**
             * State
             * @description held until a reviewer has looked, then visible
             */
            state: string;
            /** Title */
            title: string;
            /** Url */
            url: string;
        };
        /** ResourceRows */
        ResourceRows: {
            /** Items */
            items: components["schemas"]["ResourceRow"][];
            /** Next */
            next?: string | null;
        };
        /** ReviewCounts */
        ReviewCounts: {
            /** By Disease */
            by_disease: {
                [key: string]: number;
            };
            /** By Kind */
            by_kind: {
                [key: string]: number;
            };
            /** Open */
            open: number;
        };
        /** ReviewView */
        ReviewView: {
            /** Case Key */
            case_key: string | null;
            /** Choices */
            choices: components["schemas"]["Choice"][];
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /** Decisions */
            decisions?: {
                [key: string]: unknown;
            }[];
            /** Disease */
            disease: string | null;
            /** Import Key */
            import_key: string | null;
            /** Key */
            key: string;
            /** Kind */
            kind: string;
            /** Lease Account */
            lease_account: string | null;
            /** Priority */
            priority: number;
            /** Proposal */
            proposal: {
                [key: string]: unknown;
            };
            /** Revision */
            revision: number;
            /** State */
            state: string;
            /** Subject */
            subject: string;
        };
        /**
         * Role
         * @enum {string}
         */
        Role: "admin" | "operator" | "data_manager" | "reviewer" | "researcher" | "reader";
        /** Root */
        Root: {
            /** Name */
            name: string;
        };
        /** Roots */
        Roots: {
            /** Roots */
            roots: components["schemas"]["Root"][];
        };
        /** RuleCheck */
        RuleCheck: {
            /** Changes */
            changes: {
                [key: string]: unknown;
            }[];
            /** Conflicts */
            conflicts: {
                [key: string]: unknown;
            }[];
            /** Number */
            number: number;
            /** Sha256 */
            sha256: string;
            /** Terms */
            terms: number;
            /** Words */
            words: number;
        };
        /** RuleLine */
        RuleLine: {
            /** Accuracy */
            accuracy: number | null;
            /** Conflicts */
            conflicts: number;
            /** Decided */
            decided: number;
            /** Meaning */
            meaning: string;
            /** Reports */
            reports: number;
            /** Right */
            right: number;
            /** Rule */
            rule: string;
        };
        /** RuleSetView */
        RuleSetView: {
            /** Cases */
            cases: number;
            /** Disease */
            disease: string;
            /** Number */
            number: number;
            /** Proposals */
            proposals: components["schemas"]["ProposalLine"][];
            /** Schemes */
            schemes: components["schemas"]["SchemeView"][];
            /** Sha256 */
            sha256: string;
            /** Terms */
            terms: number;
            /** Title En */
            title_en: string;
            /** Title Zh */
            title_zh: string;
            /** Versions */
            versions: components["schemas"]["Version"][];
            /** Words */
            words: number;
        };
        /** RulesText */
        RulesText: {
            /**
             * Text
             * @description TOML of the shape of isocenter/diseases/*.toml.
             */
            text: string;
        };
        /** Sample */
        Sample: {
            /** Case */
            case: string;
            /** Kind */
            kind: string;
            /** New */
            new: string;
            /** Old */
            old: string;
            /** Reason */
            reason: string;
            /** Report */
            report: string;
            /** Sentences */
            sentences: {
                [key: string]: unknown;
            }[];
        };
        /** SavedSearchIn */
        SavedSearchIn: {
            /** Name */
            name: string;
            /** Query */
            query: {
                [key: string]: unknown;
            };
        };
        /**
         * SavedSearchOut
         * @description A named filter of the account that asks; nobody else sees it.
         */
        SavedSearchOut: {
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /** Id */
            id: number;
            /** Name */
            name: string;
            /** Query */
            query: {
                [key: string]: unknown;
            };
        };
        /** SavedSearches */
        SavedSearches: {
            /** Items */
            items: components["schemas"]["SavedSearchOut"][];
            /** Next */
            next?: string | null;
        };
        /** SchemeDocument */
        SchemeDocument: {
            /** Classes */
            classes: components["schemas"]["ClassDocument"][];
            /** Code */
            code: string;
            /**
             * @default {
             *       "en": "",
             *       "zh": ""
             *     }
             */
            meaning?: components["schemas"]["Meaning"];
            /**
             * Number
             * @default 1
             */
            number?: number;
            /**
             * Threshold
             * @description Confidence from which a rule's label counts without a person.
             * @default 0.9
             */
            threshold?: number;
            title: components["schemas"]["Titles"];
            /**
             * Told
             * @description Only the class a report tells outright, by this rule; without it 0 and 1, and doubt goes to a person.
             * @default
             * @enum {string}
             */
            told?: "" | "category" | "subtype" | "grade" | "edmondson" | "tnm-t" | "tnm-n" | "tnm-m";
        };
        /** SchemeView */
        SchemeView: {
            /** Code */
            code: string;
            /**
             * Counts From
             * @description What the label stage uses.
             */
            counts_from: number;
            /** @description What decided cases say now. */
            found: components["schemas"]["ThresholdView"] | null;
            /** Number */
            number: number;
            /**
             * Threshold
             * @description As set by hand.
             */
            threshold: number;
            /** Title En */
            title_en: string;
            /** Title Zh */
            title_zh: string;
            /** Wanted Error */
            wanted_error: number | null;
        };
        /**
         * SeriesChange
         * @description A correction; what is left out stays. ``phase`` and ``sequence`` go to every stack of the series.
         */
        SeriesChange: {
            /** Body Part */
            body_part?: string | null;
            /** Description */
            description?: string | null;
            /** Modality */
            modality?: string | null;
            /** Phase */
            phase?: string | null;
            /** Sequence */
            sequence?: string | null;
        };
        /** SeriesOut */
        SeriesOut: {
            /** Body Part */
            body_part: string;
            /** Columns */
            columns: number;
            /** Description */
            description: string;
            /** Format */
            format: string;
            /** Frame Count */
            frame_count: number;
            /** Instance Count */
            instance_count: number;
            /** Manufacturer */
            manufacturer: string;
            /** Modality */
            modality: string;
            /** Model Name */
            model_name: string;
            /** Number */
            number: number | null;
            /** Phase */
            phase: string;
            /** Rows */
            rows: number;
            /** Sequence */
            sequence: string;
            /** Size Bytes */
            size_bytes: number;
            /** Slice Thickness Mm */
            slice_thickness_mm: number | null;
            slide: components["schemas"]["SlideOut"] | null;
            /**
             * Spacing Mm
             * @description Between rows, between columns.
             */
            spacing_mm: number[] | null;
            /** Stacks */
            stacks: components["schemas"]["StackOut"][];
            /**
             * State
             * @description visible, or held until a reviewer has looked at the pixels
             */
            state: string;
            /** Study Uid */
            study_uid: string;
            /** Thumbnail */
            thumbnail: string | null;
            /** Uid */
            uid: string;
            /**
             * Version
             * @description As ?v= of an address of this series' pictures: such an answer never changes and is kept by the browser.
             */
            version: string;
        };
        /**
         * SeriesRow
         * @description A series in the lists of imaging and pathology, with the cases that hold it.
         */
        SeriesRow: {
            /** Body Part */
            body_part: string;
            /** Cases */
            cases: string[];
            /** Columns */
            columns: number;
            /** Deleted */
            deleted: boolean;
            /** Description */
            description: string;
            /** Format */
            format: string;
            /** Frame Count */
            frame_count: number;
            /** Instance Count */
            instance_count: number;
            /** Manufacturer */
            manufacturer: string;
            /** Modality */
            modality: string;
            /** Model Name */
            model_name: string;
            /** Number */
            number: number | null;
            /** Phase */
            phase: string;
            /** Revision */
            revision: number;
            /** Rows */
            rows: number;
            /** Sequence */
            sequence: string;
            /** Size Bytes */
            size_bytes: number;
            /** Slice Thickness Mm */
            slice_thickness_mm: number | null;
            slide: components["schemas"]["SlideOut"] | null;
            /**
             * Spacing Mm
             * @description Between rows, between columns.
             */
            spacing_mm: number[] | null;
            /** Stacks */
            stacks: components["schemas"]["StackOut"][];
            /**
             * State
             * @description visible, or held until a reviewer has looked at the pixels
             */
            state: string;
            /** Study Uid */
            study_uid: string;
            /** Thumbnail */
            thumbnail: string | null;
            /** Uid */
            uid: string;
            /**
             * Version
             * @description As ?v= of an address of this series' pictures: such an answer never changes and is kept by the browser.
             */
            version: string;
        };
        /** SeriesRows */
        SeriesRows: {
            /** Items */
            items: components["schemas"]["SeriesRow"][];
            /** Next */
            next?: string | null;
        };
        /**
         * Servers
         * @description ``source``: sampler (this process looks itself) or prometheus.
         */
        Servers: {
            /** Hosts */
            hosts: components["schemas"]["HostView"][];
            /** Services */
            services: components["schemas"]["ServiceView"][];
            /**
             * Source
             * @enum {string}
             */
            source: "sampler" | "prometheus";
        };
        /**
         * ServiceView
         * @description A service, or with the name isocenter the whole process; ``stale`` as for a host.
         */
        ServiceView: {
            /** History */
            history: components["schemas"]["StatsSample"][];
            latest: components["schemas"]["StatsSample"];
            /** Service */
            service: string;
            /** Stale */
            stale: boolean;
        };
        /**
         * SessionView
         * @description Who is signed in, what they may do, and the token that browser writes carry in ``X-Isocenter-CSRF``.
         */
        SessionView: {
            account: components["schemas"]["AccountView"];
            /** Csrf Token */
            csrf_token: string;
            /** Permissions */
            permissions: components["schemas"]["Permission"][];
        };
        /** SignIn */
        SignIn: {
            /** Name */
            name: string;
            /** Password */
            password: string;
        };
        /** SilenceView */
        SilenceView: {
            /** Comment */
            comment: string;
            /** Created By */
            created_by: string;
            /** Id */
            id: number;
            /** Matcher */
            matcher: {
                [key: string]: string;
            };
            /**
             * Until
             * Format: date-time
             */
            until: string;
        };
        /** SlideOut */
        SlideOut: {
            /** Height Px */
            height_px: number;
            /**
             * Mpp
             * @description Micrometres per pixel at level 0.
             */
            mpp: number | null;
            /** Objective Power */
            objective_power: number | null;
            /** Width Px */
            width_px: number;
        };
        /**
         * Source
         * @description Where the files are: a folder on the server, an upload, or none (tables only).
         */
        Source: {
            /**
             * Kind
             * @enum {string}
             */
            kind: "folder" | "upload" | "none";
            /** Path */
            path?: string | null;
            /**
             * Root
             * @description Name of an allowed root; `path` is then relative to it.
             */
            root?: string | null;
            /** Upload */
            upload?: string | null;
        };
        /** SplitPreview */
        SplitPreview: {
            /**
             * Balanced Away
             * @description Cases that under-sampling leaves out.
             */
            balanced_away: number;
            /** Cases */
            cases: number;
            /** Folds */
            folds: components["schemas"]["PartCountOut"][];
            /**
             * Parts
             * @description Every part with every label, in the order of the parts' names.
             */
            parts: components["schemas"]["PartCountOut"][];
            /** Patients */
            patients: number;
            /**
             * Share
             * @description The largest distance, in patients, between what a part has of a class and its share of it, before balancing.
             */
            share: number;
        };
        /**
         * SplitPreviewIn
         * @description A freeze that is only asked about. The dataset, or its disease and scheme, stands here; else the one disease the query names.
         */
        SplitPreviewIn: {
            /**
             * Balance
             * @description By patient: under leaves patients of the larger classes out, over says `repeats`, weights says `weight` in labels.csv.
             */
            balance?: ("under" | "over" | "weights") | null;
            /**
             * Balance Parts
             * @description Parts to balance; null = train when there is one, else all.
             */
            balance_parts?: string[] | null;
            /**
             * Dataset
             * @description Name of a dataset: its disease and scheme.
             * @default
             */
            dataset?: string;
            /**
             * Disease
             * @default
             */
            disease?: string;
            /**
             * Folds
             * @description Folds of what is not in the part test, by patient, stratified by label.
             */
            folds?: number | null;
            /**
             * Label States
             * @default [
             *       "sure",
             *       "decided"
             *     ]
             */
            label_states?: ("sure" | "decided")[];
            /**
             * Query
             * @default {}
             */
            query?: {
                [key: string]: unknown;
            };
            /**
             * Scheme
             * @description Label scheme; empty = the first of the disease.
             * @default
             */
            scheme?: string;
            /**
             * Seed
             * @default 0
             */
            seed?: number;
            /** Split */
            split?: {
                [key: string]: number;
            } | null;
        };
        /** StackOut */
        StackOut: {
            /** B Value */
            b_value: number | null;
            /** Doubt */
            doubt: string;
            /** Echo Time Ms */
            echo_time_ms: number | null;
            /** Instance Count */
            instance_count: number;
            /** Ordinal */
            ordinal: number;
            /** Phase */
            phase: string;
            /** Sequence */
            sequence: string;
            /** Source */
            source: string;
            /**
             * Spacing Mm
             * @description Between slices, along the normal.
             */
            spacing_mm: number | null;
        };
        /** StageProgress */
        StageProgress: {
            /** Done */
            done: number;
            /** Name */
            name: string;
            /** Rate Per S */
            rate_per_s: number | null;
            /**
             * State
             * @enum {string}
             */
            state: "waiting" | "running" | "done";
            /** Total */
            total: number;
        };
        /**
         * Statistics
         * @description An ECharts dataset: column names and rows. ``truncated`` when there were more rows than are sent.
         *
         *     ``hidden``: so many rows have null for their numbers, because they are of fewer patients than the site shows, or would tell
         *     those. ``shares``: the patients of each row over all patients of the question (a patient may be in several rows).
         */
        Statistics: {
            /**
             * Counted At
             * Format: date-time
             */
            counted_at: string;
            /** Dimensions */
            dimensions: string[];
            /**
             * Hidden
             * @default 0
             */
            hidden?: number;
            /** Shares */
            shares: (number | null)[];
            /** Source */
            source: (string | number | null)[][];
            /**
             * Stale
             * @default false
             */
            stale?: boolean;
            /** Totals */
            totals: {
                [key: string]: number | null;
            };
            /** Truncated */
            truncated: boolean;
        };
        /** Sample */
        StatsSample: {
            /**
             * At
             * Format: date-time
             */
            at: string;
            /** Values */
            values: {
                [key: string]: number;
            };
        };
        /** StudyOut */
        StudyOut: {
            /** Age Years */
            age_years: number | null;
            /** Body Part */
            body_part: string;
            /** Description */
            description: string;
            /** Hospital */
            hospital: string;
            /** Reports */
            reports: string[];
            /** Series */
            series: components["schemas"]["SeriesOut"][];
            /** Sex */
            sex: string;
            /** Shifted Date */
            shifted_date: string | null;
            /** Uid */
            uid: string;
        };
        /** TablePreview */
        TablePreview: {
            /** Columns */
            columns: string[];
            /** Date Order */
            date_order: string;
            /** Encoding */
            encoding: string;
            /** Kind */
            kind: string;
            /** Kind Confidence */
            kind_confidence: number;
            /** Mapping */
            mapping: {
                [key: string]: components["schemas"]["Guess"];
            };
            /** Missing */
            missing: string[];
            /** Notes */
            notes: string[];
            /** Nouns */
            nouns: string[];
            /**
             * Remembered
             * @default false
             */
            remembered?: boolean;
            /** Rows */
            rows: number;
            /** Sample Rows */
            sample_rows: string[][];
            /** Unmapped */
            unmapped: string[];
        };
        /**
         * TableSource
         * @description A table on the server or in an upload; `mapping` (noun -> column) as a person confirmed it.
         */
        TableSource: {
            /** Date Order */
            date_order?: ("ymd" | "mdy" | "dmy") | null;
            /** Kind */
            kind?: ("imaging" | "pathology" | "labels" | "image_list") | null;
            /** Mapping */
            mapping?: {
                [key: string]: string;
            } | null;
            /** Path */
            path: string;
            /** Root */
            root?: string | null;
            /** Upload */
            upload?: string | null;
        };
        /** TablesPreview */
        TablesPreview: {
            /**
             * Hospital
             * @default
             */
            hospital?: string;
            /** Tables */
            tables: components["schemas"]["TableSource"][];
        };
        /**
         * Taken
         * @description How many alerts began or ended by what was told.
         */
        Taken: {
            /** Changed */
            changed: number;
        };
        /** TermDocument */
        TermDocument: {
            /** Id */
            id: string;
            /**
             * Kind
             * @default any
             * @enum {string}
             */
            kind?: "any" | "imaging" | "pathology";
            /**
             * Meaning
             * @enum {string}
             */
            meaning: "malignant" | "benign" | "uncertain";
            /**
             * Subtype
             * @default
             */
            subtype?: string;
            /** Words */
            words: string[];
        };
        /**
         * TextHit
         * @description A place of the text in a section, in Unicode characters from 0.
         */
        TextHit: {
            /** After */
            after: string;
            /**
             * Before
             * @description Up to 40 characters before it.
             */
            before: string;
            /** End */
            end: number;
            /** Found */
            found: string;
            /** Section */
            section: string;
            /** Start */
            start: number;
        };
        /** ThresholdView */
        ThresholdView: {
            /** Accepted */
            accepted: number;
            /**
             * Basis
             * @description shown | assumed | raised
             */
            basis: string;
            /**
             * Confidence
             * @description Above 1: nothing goes without a person.
             */
            confidence: number;
            /** Decided */
            decided: number;
            /** Error Bound */
            error_bound: number;
            /** Wrong */
            wrong: number;
        };
        /** Titles */
        Titles: {
            /** En */
            en: string;
            /** Zh */
            zh: string;
        };
        /** TokenList */
        TokenList: {
            /** Items */
            items: components["schemas"]["TokenView"][];
            /** Next */
            next?: null;
        };
        /** TokenRequest */
        TokenRequest: {
            /**
             * Days
             * @default 90
             */
            days?: number;
            /** Name */
            name: string;
        };
        /** TokenView */
        TokenView: {
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /**
             * Expires At
             * Format: date-time
             */
            expires_at: string;
            /** Id */
            id: number;
            /** Last Used At */
            last_used_at: string | null;
            /** Name */
            name: string;
            /** Prefix */
            prefix: string;
        };
        /**
         * ToldAlert
         * @description One alert of Alertmanager's webhook.
         */
        ToldAlert: {
            /** Annotations */
            annotations?: {
                [key: string]: string;
            };
            /** Endsat */
            endsAt?: string | null;
            /** Fingerprint */
            fingerprint: string;
            /** Labels */
            labels: {
                [key: string]: string;
            };
            /**
             * Startsat
             * Format: date-time
             */
            startsAt: string;
            /**
             * Status
             * @enum {string}
             */
            status: "firing" | "resolved";
        };
        /**
         * TriedView
         * @description ``failure`` '' when it was taken.
         */
        TriedView: {
            /** Failure */
            failure: string;
            /** Way */
            way: string;
        };
        /** UploadFile */
        UploadFile: {
            /** Path */
            path: string;
            /** Size Bytes */
            size_bytes: number;
        };
        /** UploadView */
        UploadView: {
            /** Files */
            files: components["schemas"]["UploadFile"][];
            /** Key */
            key: string;
            /** Size Bytes */
            size_bytes: number;
        };
        /** ValidationError */
        ValidationError: {
            /** Context */
            ctx?: Record<string, never>;
            /** Input */
            input?: unknown;
            /** Location */
            loc: (string | number)[];
            /** Message */
            msg: string;
            /** Error Type */
            type: string;
        };
        /** ValueCount */
        ValueCount: {
            /** Cases */
            cases: number;
            /** Value */
            value: string;
        };
        /** Version */
        Version: {
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /** In Use */
            in_use: boolean;
            /** Number */
            number: number | null;
            /** Sha256 */
            sha256: string;
            /** Version */
            version: number;
        };
        /** VersionDetail */
        VersionDetail: {
            /** Card */
            card: {
                [key: string]: unknown;
            };
            /** Counts */
            counts: {
                [key: string]: unknown;
            };
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /** Created By */
            created_by: string;
            /**
             * Digest
             * @description SHA-256 of the canonical manifest
             */
            digest: string;
            /** Name */
            name: string;
            /** Number */
            number: number;
            /** Policies */
            policies: {
                [key: string]: unknown;
            };
            /** Query */
            query: {
                [key: string]: unknown;
            };
            /** Recipe */
            recipe: {
                [key: string]: unknown;
            };
            /**
             * Reference
             * @description name@number
             */
            reference: string;
            /**
             * Withdrawn At
             * @description Set when a patient in it withdrew: the bytes are no longer served.
             */
            withdrawn_at: string | null;
        };
        /** VersionOut */
        VersionOut: {
            /** Counts */
            counts: {
                [key: string]: unknown;
            };
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /** Created By */
            created_by: string;
            /**
             * Digest
             * @description SHA-256 of the canonical manifest
             */
            digest: string;
            /** Name */
            name: string;
            /** Number */
            number: number;
            /** Policies */
            policies: {
                [key: string]: unknown;
            };
            /** Query */
            query: {
                [key: string]: unknown;
            };
            /** Recipe */
            recipe: {
                [key: string]: unknown;
            };
            /**
             * Reference
             * @description name@number
             */
            reference: string;
            /**
             * Withdrawn At
             * @description Set when a patient in it withdrew: the bytes are no longer served.
             */
            withdrawn_at: string | null;
        };
        /** WantedError */
        WantedError: {
            /**
             * Wanted Error
             * @description 0.01 = one wrong label in a hundred; null = the threshold set by hand.
             */
            wanted_error?: number | null;
        };
        /** WithdrawalIn */
        WithdrawalIn: {
            /**
             * Case
             * @description Key of a case of the patient; all cases of the patient are meant.
             */
            case: string;
        };
        /** WithdrawalOut */
        WithdrawalOut: {
            /** Cases */
            cases: string[];
            /**
             * Closed
             * @description Versions whose bytes are no longer served.
             */
            closed: string[];
            /**
             * Made
             * @description Versions that follow, without the patient.
             */
            made: string[];
            /**
             * Withdrawn At
             * Format: date-time
             */
            withdrawn_at: string;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
};
export type AccountChange = components['schemas']['AccountChange'];
export type AccountView = components['schemas']['AccountView'];
export type AlertView = components['schemas']['AlertView'];
export type AlertmanagerBody = components['schemas']['AlertmanagerBody'];
export type Attribute = components['schemas']['Attribute'];
export type AttributeOut = components['schemas']['AttributeOut'];
export type AttributeValues = components['schemas']['AttributeValues'];
export type AuditView = components['schemas']['AuditView'];
export type BulkChange = components['schemas']['BulkChange'];
export type BulkDone = components['schemas']['BulkDone'];
export type BulkRows = components['schemas']['BulkRows'];
export type CaseChangeInput = components['schemas']['CaseChange-Input'];
export type CaseChangeOutput = components['schemas']['CaseChange-Output'];
export type CaseCount = components['schemas']['CaseCount'];
export type CaseDetail = components['schemas']['CaseDetail'];
export type CaseOut = components['schemas']['CaseOut'];
export type CasePage = components['schemas']['CasePage'];
export type CaseQuery = components['schemas']['CaseQuery'];
export type CaseSearch = components['schemas']['CaseSearch'];
export type CategoryDocument = components['schemas']['CategoryDocument'];
export type Chart = components['schemas']['Chart'];
export type Choice = components['schemas']['Choice'];
export type ClassDocument = components['schemas']['ClassDocument'];
export type Comparison = components['schemas']['Comparison'];
export type Completeness = components['schemas']['Completeness'];
export type Copy = components['schemas']['Copy'];
export type CopyTable = components['schemas']['CopyTable'];
export type CreatedAccount = components['schemas']['CreatedAccount'];
export type CurrentLabel = components['schemas']['CurrentLabel'];
export type Dashboard = components['schemas']['Dashboard'];
export type DatasetDetail = components['schemas']['DatasetDetail'];
export type DatasetEdit = components['schemas']['DatasetEdit'];
export type DatasetIn = components['schemas']['DatasetIn'];
export type DatasetOut = components['schemas']['DatasetOut'];
export type DatasetPage = components['schemas']['DatasetPage'];
export type Decision = components['schemas']['Decision'];
export type DecisionResult = components['schemas']['DecisionResult'];
export type DeliveryView = components['schemas']['DeliveryView'];
export type DiseaseDetail = components['schemas']['DiseaseDetail'];
export type DiseaseDocument = components['schemas']['DiseaseDocument'];
export type DiseaseNumbers = components['schemas']['DiseaseNumbers'];
export type DiseaseOut = components['schemas']['DiseaseOut'];
export type Entry = components['schemas']['Entry'];
export type Exams = components['schemas']['Exams'];
export type ExportIn = components['schemas']['ExportIn'];
export type ExportList = components['schemas']['ExportList'];
export type ExportOut = components['schemas']['ExportOut'];
export type FacetQuery = components['schemas']['FacetQuery'];
export type Facets = components['schemas']['Facets'];
export type FilledOut = components['schemas']['FilledOut'];
export type Folder = components['schemas']['Folder'];
export type FormatList = components['schemas']['FormatList'];
export type FormatOut = components['schemas']['FormatOut'];
export type FreezeIn = components['schemas']['FreezeIn'];
export type GatewayLinkView = components['schemas']['GatewayLinkView'];
export type GrantsOut = components['schemas']['GrantsOut'];
export type Guess = components['schemas']['Guess'];
export type HttpValidationError = components['schemas']['HTTPValidationError'];
export type History = components['schemas']['History'];
export type HistoryOut = components['schemas']['HistoryOut'];
export type HospitalIn = components['schemas']['HospitalIn'];
export type HospitalOut = components['schemas']['HospitalOut'];
export type HostView = components['schemas']['HostView'];
export type ImportView = components['schemas']['ImportView'];
export type InstanceOut = components['schemas']['InstanceOut'];
export type InstancePage = components['schemas']['InstancePage'];
export type ItemView = components['schemas']['ItemView'];
export type LabelClassOut = components['schemas']['LabelClassOut'];
export type LabelOut = components['schemas']['LabelOut'];
export type LabelSchemeOut = components['schemas']['LabelSchemeOut'];
export type LinkChange = components['schemas']['LinkChange'];
export type LinkOut = components['schemas']['LinkOut'];
export type LinkRequest = components['schemas']['LinkRequest'];
export type LinkView = components['schemas']['LinkView'];
export type Meaning = components['schemas']['Meaning'];
export type Move = components['schemas']['Move'];
export type NewAccount = components['schemas']['NewAccount'];
export type NewImport = components['schemas']['NewImport'];
export type NewSilence = components['schemas']['NewSilence'];
export type NewToken = components['schemas']['NewToken'];
export type NextReview = components['schemas']['NextReview'];
export type OncePassword = components['schemas']['OncePassword'];
export type Overview = components['schemas']['Overview'];
export type PageAccountView = components['schemas']['Page_AccountView_'];
export type PageAlertView = components['schemas']['Page_AlertView_'];
export type PageAttributeOut = components['schemas']['Page_AttributeOut_'];
export type PageAuditView = components['schemas']['Page_AuditView_'];
export type PageDiseaseOut = components['schemas']['Page_DiseaseOut_'];
export type PageHospitalOut = components['schemas']['Page_HospitalOut_'];
export type PageImportView = components['schemas']['Page_ImportView_'];
export type PageItemView = components['schemas']['Page_ItemView_'];
export type PageProjectOut = components['schemas']['Page_ProjectOut_'];
export type PageReviewView = components['schemas']['Page_ReviewView_'];
export type PartCountOut = components['schemas']['PartCountOut'];
export type PasswordChange = components['schemas']['PasswordChange'];
export type Permission = components['schemas']['Permission'];
export type PreviewIn = components['schemas']['PreviewIn'];
export type Problem = components['schemas']['Problem'];
export type ProfileChange = components['schemas']['ProfileChange'];
export type ProjectChange = components['schemas']['ProjectChange'];
export type ProjectIn = components['schemas']['ProjectIn'];
export type ProjectOut = components['schemas']['ProjectOut'];
export type Proposal = components['schemas']['Proposal'];
export type ProposalLine = components['schemas']['ProposalLine'];
export type Purged = components['schemas']['Purged'];
export type Rates = components['schemas']['Rates'];
export type Reason = components['schemas']['Reason'];
export type RecentImport = components['schemas']['RecentImport'];
export type Reopen = components['schemas']['Reopen'];
export type ReportChange = components['schemas']['ReportChange'];
export type ReportDetailOut = components['schemas']['ReportDetailOut'];
export type ReportHit = components['schemas']['ReportHit'];
export type ReportHits = components['schemas']['ReportHits'];
export type ReportOut = components['schemas']['ReportOut'];
export type ReportQuery = components['schemas']['ReportQuery'];
export type ReportRow = components['schemas']['ReportRow'];
export type ReportRows = components['schemas']['ReportRows'];
export type ResourceChange = components['schemas']['ResourceChange'];
export type ResourceOut = components['schemas']['ResourceOut'];
export type ResourceRow = components['schemas']['ResourceRow'];
export type ResourceRows = components['schemas']['ResourceRows'];
export type ReviewCounts = components['schemas']['ReviewCounts'];
export type ReviewView = components['schemas']['ReviewView'];
export type Role = components['schemas']['Role'];
export type Root = components['schemas']['Root'];
export type Roots = components['schemas']['Roots'];
export type RuleCheck = components['schemas']['RuleCheck'];
export type RuleLine = components['schemas']['RuleLine'];
export type RuleSetView = components['schemas']['RuleSetView'];
export type RulesText = components['schemas']['RulesText'];
export type Sample = components['schemas']['Sample'];
export type SavedSearchIn = components['schemas']['SavedSearchIn'];
export type SavedSearchOut = components['schemas']['SavedSearchOut'];
export type SavedSearches = components['schemas']['SavedSearches'];
export type SchemeDocument = components['schemas']['SchemeDocument'];
export type SchemeView = components['schemas']['SchemeView'];
export type SeriesChange = components['schemas']['SeriesChange'];
export type SeriesOut = components['schemas']['SeriesOut'];
export type SeriesRow = components['schemas']['SeriesRow'];
export type SeriesRows = components['schemas']['SeriesRows'];
export type Servers = components['schemas']['Servers'];
export type ServiceView = components['schemas']['ServiceView'];
export type SessionView = components['schemas']['SessionView'];
export type SignIn = components['schemas']['SignIn'];
export type SilenceView = components['schemas']['SilenceView'];
export type SlideOut = components['schemas']['SlideOut'];
export type Source = components['schemas']['Source'];
export type SplitPreview = components['schemas']['SplitPreview'];
export type SplitPreviewIn = components['schemas']['SplitPreviewIn'];
export type StackOut = components['schemas']['StackOut'];
export type StageProgress = components['schemas']['StageProgress'];
export type Statistics = components['schemas']['Statistics'];
export type StatsSample = components['schemas']['StatsSample'];
export type StudyOut = components['schemas']['StudyOut'];
export type TablePreview = components['schemas']['TablePreview'];
export type TableSource = components['schemas']['TableSource'];
export type TablesPreview = components['schemas']['TablesPreview'];
export type Taken = components['schemas']['Taken'];
export type TermDocument = components['schemas']['TermDocument'];
export type TextHit = components['schemas']['TextHit'];
export type ThresholdView = components['schemas']['ThresholdView'];
export type Titles = components['schemas']['Titles'];
export type TokenList = components['schemas']['TokenList'];
export type TokenRequest = components['schemas']['TokenRequest'];
export type TokenView = components['schemas']['TokenView'];
export type ToldAlert = components['schemas']['ToldAlert'];
export type TriedView = components['schemas']['TriedView'];
export type UploadFile = components['schemas']['UploadFile'];
export type UploadView = components['schemas']['UploadView'];
export type ValidationError = components['schemas']['ValidationError'];
export type ValueCount = components['schemas']['ValueCount'];
export type Version = components['schemas']['Version'];
export type VersionDetail = components['schemas']['VersionDetail'];
export type VersionOut = components['schemas']['VersionOut'];
export type WantedError = components['schemas']['WantedError'];
export type WithdrawalIn = components['schemas']['WithdrawalIn'];
export type WithdrawalOut = components['schemas']['WithdrawalOut'];
export type $defs = Record<string, never>;
export type operations = Record<string, never>;
