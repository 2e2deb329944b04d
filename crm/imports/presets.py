"""Exports of other help desks, recognized by their columns; docs/importing.md names the columns of each."""

from core.mapping import Preset, register_preset

CUSTOMERS, ORGANIZATIONS = "import_customers", "import_organizations"

PRESETS = (
    Preset(
        "zendesk-users", "Zendesk, users", CUSTOMERS, "zendesk",
        {
            "id": "id", "name": "name", "email": "email", "phone": "phone",
            "organization_id": "organization.id", "tags": "tags", "locale": "language", "notes": "note",
        },
        ("id", "name", "email", "external_id", "organization_id"),
    ),
    Preset(
        "zendesk-user-file", "Zendesk, file of users", CUSTOMERS, "zendesk",
        {
            "name": "name", "email": "email", "external_id": "id", "notes": "note", "phone": "phone",
            "organization": "organization", "tags": "tags",
        },
        ("name", "email", "external_id", "details", "notes", "organization"),
    ),
    Preset(
        "zendesk-organizations", "Zendesk, organizations", ORGANIZATIONS, "zendesk",
        {"id": "id", "name": "name", "domain_names": "domain", "tags": "tags", "notes": "note"},
        ("id", "name", "domain_names", "external_id"),
    ),
    Preset(
        "freshdesk-contacts", "Freshdesk, contacts", CUSTOMERS, "freshdesk",
        {
            "Full name": "name", "Title": "job", "Email": "email", "Work phone": "phone",
            "Mobile phone": "phone", "Twitter": "identity.x", "Company": "organization",
            "Unique external ID": "id", "Tags": "tags", "About": "note", "Language": "language",
        },
        ("Full name", "Email", "Work phone", "Mobile phone"),
    ),
    Preset(
        "intercom-users", "Intercom, users", CUSTOMERS, "intercom",
        {
            "Name": "name", "Email": "email", "User ID": "id", "Phone": "phone", "City": "city",
            "Country": "country", "Company": "organization", "Tag": "tags",
        },
        ("Name", "Email", "User ID", "Signed up"),
    ),
    Preset(
        "hubspot-contacts", "HubSpot, contacts", CUSTOMERS, "hubspot",
        {
            "Record ID": "id", "First Name": "first_name", "Last Name": "last_name", "Email": "email",
            "Phone Number": "phone", "Mobile Phone Number": "phone", "Job Title": "job",
            "Company Name": "organization", "City": "city", "Country/Region": "country",
        },
        ("Record ID", "First Name", "Last Name", "Email"),
    ),
    Preset(
        "chatwoot-contacts", "Chatwoot, contacts", CUSTOMERS, "chatwoot",
        {"id": "id", "name": "name", "email": "email", "phone_number": "phone"},
        ("id", "name", "email", "phone_number"),
    ),
    Preset(
        "zammad-users", "Zammad, users", CUSTOMERS, "zammad",
        {
            "login": "id", "firstname": "first_name", "lastname": "last_name", "email": "email",
            "phone": "phone", "mobile": "phone", "organization": "organization", "city": "city",
            "country": "country", "note": "note",
        },
        ("login", "firstname", "lastname", "email"),
    ),
)  # fmt: skip


def register_presets() -> None:
    """Make them known."""
    for preset in PRESETS:
        register_preset(preset)
