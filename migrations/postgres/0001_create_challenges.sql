-- Adopts public.approach_challenges where it exists, and creates it where it does not.
-- Before this file runs, the `migrate` command has compared an existing table with the shape below, column by column.
-- Existing rows, keys, policies, grants and triggers stay as they are: two nullable columns are all that is added.
DO $$
BEGIN
    IF to_regclass('public.approach_challenges') IS NULL THEN
        CREATE TABLE public.approach_challenges (
            id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
            difficulty varchar(50) NOT NULL
                CONSTRAINT approach_challenges_difficulty_check
                CHECK (difficulty IN ('beginner', 'intermediate', 'advanced')),
            title varchar(200) NOT NULL,
            description text,
            points integer DEFAULT 10,
            created_at timestamptz DEFAULT now()
        );
        CREATE INDEX idx_approach_challenges_difficulty ON public.approach_challenges (difficulty);
        ALTER TABLE public.approach_challenges ENABLE ROW LEVEL SECURITY;
        CREATE POLICY "Anyone can read challenges" ON public.approach_challenges FOR SELECT USING (true);
    END IF;

    -- Each addition is asked for only where it is missing, because ALTER TABLE locks the table even when it has nothing to do.
    IF NOT EXISTS (
        SELECT FROM pg_attribute
        WHERE attrelid = 'public.approach_challenges'::regclass AND attname = 'tips' AND NOT attisdropped
    ) THEN
        ALTER TABLE public.approach_challenges ADD COLUMN tips text;
    END IF;

    -- The default comes in a step of its own, so that rows that were there before keep "not known" instead of today.
    IF NOT EXISTS (
        SELECT FROM pg_attribute
        WHERE attrelid = 'public.approach_challenges'::regclass AND attname = 'updated_at' AND NOT attisdropped
    ) THEN
        ALTER TABLE public.approach_challenges ADD COLUMN updated_at timestamptz;
        ALTER TABLE public.approach_challenges ALTER COLUMN updated_at SET DEFAULT now();
    END IF;
END
$$;
