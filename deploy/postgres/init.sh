#!/bin/sh
# One database and one role per service; a role sees its own database only.
set -eu
for service in identity catalog checkout pricing loyalty inventory order payment fraud shipping notification; do
  psql -v ON_ERROR_STOP=1 -U postgres -v name="$service" -v password="$POSTGRES_SERVICE_PASSWORD" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE CONNECT ON DATABASE :"name" FROM PUBLIC;
SQL
done
