"use strict";
// Conveniences; every page works without them.
(() => {
    // "/" goes to the search box of the page or, where there is none, of the header.
    document.addEventListener("keydown", (event) => {
        const typing = event.target.closest("input, textarea, select, [contenteditable]");
        if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) {
            return;
        }
        const box = document.querySelector("#searchbar")
            ?? document.querySelector("#site-search input");
        if (box) {
            event.preventDefault();
            box.focus();
            box.select();
        }
    });

    // One pop-up open at a time; Escape or a click elsewhere closes it.
    const popups = document.querySelectorAll("details.filter, details.menu");
    const close = (except) => popups.forEach((popup) => {
        if (popup !== except) {
            popup.open = false;
        }
    });
    document.addEventListener("click", (event) => close(event.target.closest("details")));
    document.addEventListener("keydown", (event) => {
        const open = [...popups].find((popup) => popup.open);
        if (event.key === "Escape" && open) {
            close();
            open.querySelector("summary").focus();
        }
    });

    // A button that copies what the element named by data-copy holds.
    document.querySelectorAll("[data-copy]").forEach((button) => {
        button.hidden = !navigator.clipboard;
        button.addEventListener("click", async () => {
            const source = document.getElementById(button.dataset.copy);
            await navigator.clipboard.writeText(source.textContent.trim());
            button.textContent = "Copied";
        });
    });

    // Work in the background: its progress, until it has come to an end.
    document.querySelectorAll("[data-progress]").forEach((box) => {
        const look = async () => {
            try {
                const answer = await fetch(box.dataset.progress, { credentials: "same-origin" });
                const job = await answer.json();
                box.querySelector("progress").value = job.progress;
                box.querySelector("[data-label]").textContent = job.label;
                const percent = box.querySelector("[data-percent]");
                if (percent) {
                    percent.textContent = `${job.progress} %`;
                }
                if (!job.working) {
                    window.location.reload();
                    return;
                }
            } catch {
                // The server may be busy or gone for a moment; the next look tells.
            }
            window.setTimeout(look, 800);
        };
        window.setTimeout(look, 400);
    });

    // Of the fields that hang on a choice, only those that what was chosen needs.
    const needed = {
        period: {
            days: ["last_n_days"],
            start: ["fixed"],
            end: ["fixed"],
            bill_day: ["bill_period"],
            from_now: ["since_last"],
        },
        auth: {
            new_password: ["password"],
            new_key: ["key"],
            new_passphrase: ["key"],
        },
    };
    Object.entries(needed).forEach(([choice, needs]) => {
        document.querySelectorAll(`select[name=${choice}]`).forEach((select) => {
            const show = () => Object.entries(needs).forEach(([name, kinds]) => {
                const field = select.form.querySelector(`[data-field="${name}"]`);
                if (field) {
                    field.hidden = !kinds.includes(select.value) && !field.matches(".errors");
                }
            });
            select.addEventListener("change", show);
            show();
        });
    });

    // The next runs of a schedule, while it is typed.
    document.querySelectorAll("[data-next]").forEach((box) => {
        const form = box.closest("form");
        const fields = ["schedule", "schedule_zone", "zone"].map((name) => form.elements[name]);
        let waiting = 0;
        const show = async () => {
            const [schedule, clock, zone] = fields.map((field) => field.value);
            const query = new URLSearchParams({ schedule, zone: clock || zone });
            const answer = await fetch(`${box.dataset.next}?${query}`);
            if (!answer.ok) {
                return;
            }
            const found = await answer.json();
            box.querySelector("ol").replaceChildren(...found.runs.map((run) => {
                const item = document.createElement("li");
                const time = document.createElement("time");
                time.textContent = run.text;
                item.append(time);
                if (run.notes) {
                    const note = document.createElement("span");
                    note.className = "badge warning";
                    note.textContent = run.notes;
                    item.append(" ", note);
                }
                return item;
            }));
            box.querySelector("[data-error]").textContent = found.error
                || (found.runs.length ? `On the clock of ${found.zone}` : "");
        };
        fields.forEach((field) => field.addEventListener("input", () => {
            clearTimeout(waiting);
            waiting = setTimeout(show, 250);
        }));
        if (fields[0].value) {
            show();
        }
    });
})();
