-- Roles and database. Run once by a superuser, with both passwords in the environment:
--   NOTIFY_OWNER_PASSWORD=… NOTIFY_PASSWORD=… psql --set ON_ERROR_STOP=1 --file docker/database.sql
\getenv owner_password NOTIFY_OWNER_PASSWORD
\getenv password NOTIFY_PASSWORD

-- Owns the tables and changes them: for `wallarm-notify db upgrade` alone.
CREATE ROLE notify_owner LOGIN PASSWORD :'owner_password';
-- Reads and writes rows: for workers and every other command.
CREATE ROLE notify LOGIN PASSWORD :'password';

CREATE DATABASE notify OWNER notify_owner TEMPLATE template0 ENCODING 'UTF8';
REVOKE ALL ON DATABASE notify FROM PUBLIC;
GRANT CONNECT ON DATABASE notify TO notify;

\connect notify
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO notify;
-- Whatever the owner makes from now on.
ALTER DEFAULT PRIVILEGES FOR ROLE notify_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO notify;
ALTER DEFAULT PRIVILEGES FOR ROLE notify_owner IN SCHEMA public
    GRANT USAGE ON SEQUENCES TO notify;
