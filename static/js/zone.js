/* On the set-up page: offers the browser's own time zone while the field still says UTC. */
const field = document.querySelector('select[name="zone"]');
const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (field && field.value === "UTC" && [...field.options].some((option) => option.value === here)) field.value = here;
