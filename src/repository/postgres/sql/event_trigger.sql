DO $$
BEGIN
    CREATE EVENT TRIGGER challenges_catalog_ddl ON ddl_command_end
    WHEN TAG IN ('ALTER POLICY', 'ALTER TABLE', 'CREATE POLICY', 'CREATE TABLE', 'DROP POLICY')
    EXECUTE FUNCTION challenges_catalog.note_ddl();
    ALTER EVENT TRIGGER challenges_catalog_ddl ENABLE ALWAYS;
END
$$
