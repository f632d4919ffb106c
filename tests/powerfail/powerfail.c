/* powerfail.so: an LD_PRELOAD library that keeps a second, "durable" copy of a data directory.
 *
 * What a program writes reaches the durable copy only when it calls fsync or fdatasync on the file (or opened it with
 * O_SYNC or O_DSYNC). After SIGKILL, image.py builds what a power cut could have left: the durable copy, plus any chosen
 * subset of the sectors that were written but never synced.
 *
 * Environment: PF_ROOT    the data directory, absolute
 *              PF_SHADOW  the durable copy, absolute; must exist
 * PF_SHADOW/.ctl holds int32 values that the harness may change while the program runs (enum below).
 * PF_SHADOW/.dirty/NAME holds one bit for each 4 KiB block written since the last sync. The bits are shared between
 * processes, so that an fsync by one also flushes what another wrote, as POSIX says.
 *
 * Limits, which README.md explains: rename and unlink are durable at once, directory fsync is not modelled, writes through
 * mmap are not seen, a file may have 1 GiB at most.
 *
 * build: cc -O2 -shared -fPIC -o powerfail.so powerfail.c -ldl -lpthread
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { WRITE_ERRNO, FSYNC_ERRNO, FSYNC_DELAY_US, FSYNC_COUNT, WALL_OFFSET_S, SPARE_LOG };

#define BLOCK 4096
#define MAX_BLOCKS (1u << 18) /* 1 GiB a file */
#define MAX_FD 65536
#define MAX_REL 512

struct tracked {
    char rel[MAX_REL];
    unsigned char *dirty; /* shared bitmap, one bit a block */
    int synchronous;      /* opened with O_SYNC or O_DSYNC */
};

static struct tracked *table[MAX_FD];
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static char root[PATH_MAX], shadow[PATH_MAX];
static size_t root_length;
static int active;
static volatile int *control;

#define REAL(ret, name, ...) static ret (*real_##name)(__VA_ARGS__)
REAL(int, open, const char *, int, ...);
REAL(int, openat, int, const char *, int, ...);
REAL(int, close, int);
REAL(ssize_t, write, int, const void *, size_t);
REAL(ssize_t, pwrite, int, const void *, size_t, off_t);
REAL(ssize_t, writev, int, const struct iovec *, int);
REAL(ssize_t, pwritev, int, const struct iovec *, int, off_t);
REAL(int, fsync, int);
REAL(int, fdatasync, int);
REAL(int, ftruncate, int, off_t);
REAL(int, unlink, const char *);
REAL(int, rename, const char *, const char *);
REAL(int, link, const char *, const char *);
REAL(ssize_t, pread, int, void *, size_t, off_t);

/* ---- start ---- */

static void map_control(int (*open_file)(const char *, int, ...)) {
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/.ctl", shadow);
    int fd = open_file(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) return;
    if (real_ftruncate(fd, BLOCK) == 0) {
        void *page = mmap(0, BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (page != MAP_FAILED) control = page;
    }
    real_close(fd);
}

static void init(void) {
    if (real_open) return;
#define FIND(name) real_##name = dlsym(RTLD_NEXT, #name)
    FIND(openat), FIND(close), FIND(write), FIND(pwrite), FIND(writev), FIND(pwritev), FIND(fsync), FIND(fdatasync);
    FIND(ftruncate), FIND(unlink), FIND(rename), FIND(link), FIND(pread);
    int (*open_file)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    const char *live = getenv("PF_ROOT"), *durable = getenv("PF_SHADOW");
    if (live && durable && realpath(live, root) && realpath(durable, shadow)) {
        char path[PATH_MAX + 16];
        root_length = strlen(root);
        snprintf(path, sizeof path, "%s/.dirty", shadow);
        mkdir(path, 0777);
        map_control(open_file);
        active = 1;
    }
    real_open = open_file; /* last: it says that everything above is in place */
}

__attribute__((constructor)) static void at_load(void) { init(); }

/* ---- names ---- */

/* The path below PF_ROOT, or 0 when it is elsewhere or not followed (-shm: shared memory, gone after a reboot). */
static int relative(const char *path, char *out) {
    char full[PATH_MAX];
    if (path[0] == '/') {
        snprintf(full, sizeof full, "%s", path);
    } else {
        if (!getcwd(full, sizeof full)) return 0;
        strncat(full, "/", sizeof full - strlen(full) - 1);
        strncat(full, path, sizeof full - strlen(full) - 1);
    }
    if (strncmp(full, root, root_length) || full[root_length] != '/') return 0;
    const char *rel = full + root_length + 1;
    size_t n = strlen(rel);
    if (n >= MAX_REL || (n > 4 && !strcmp(rel + n - 4, "-shm"))) return 0;
    strcpy(out, rel);
    return 1;
}

static void dirty_path(const char *rel, char *out, size_t size) {
    char flat[MAX_REL];
    strcpy(flat, rel);
    for (char *c = flat; *c; c++)
        if (*c == '/') *c = '%';
    snprintf(out, size, "%s/.dirty/%s", shadow, flat);
}

static void make_parents(char *path) {
    for (char *slash = path + strlen(shadow) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        mkdir(path, 0777);
        *slash = '/';
    }
}

/* ---- what is dirty ---- */

static unsigned char *map_dirty(const char *rel) {
    char path[PATH_MAX + MAX_REL];
    dirty_path(rel, path, sizeof path);
    int fd = real_open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) return 0;
    void *bits = MAP_FAILED;
    if (real_ftruncate(fd, MAX_BLOCKS / 8) == 0) bits = mmap(0, MAX_BLOCKS / 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    real_close(fd);
    return bits == MAP_FAILED ? 0 : bits;
}

static void forget(struct tracked *file) {
    if (!file) return;
    munmap(file->dirty, MAX_BLOCKS / 8);
    free(file);
}

static struct tracked *swap(int fd, struct tracked *file) {
    pthread_mutex_lock(&table_lock);
    struct tracked *before = table[fd];
    table[fd] = file;
    pthread_mutex_unlock(&table_lock);
    return before;
}

static void track(int fd, const char *path, int flags) {
    char rel[MAX_REL];
    struct stat st;
    if (!active || fd < 0 || fd >= MAX_FD || !relative(path, rel)) return;
    if (fstat(fd, &st) || !S_ISREG(st.st_mode)) return;
    unsigned char *bits = map_dirty(rel);
    struct tracked *file = bits ? calloc(1, sizeof *file) : 0;
    if (!file) return;
    strcpy(file->rel, rel);
    file->dirty = bits;
    file->synchronous = flags & (O_SYNC | O_DSYNC);
    forget(swap(fd, file));
}

static struct tracked *find(int fd) { return active && fd >= 0 && fd < MAX_FD ? table[fd] : 0; }

static void mark(struct tracked *file, off_t offset, size_t length) {
    off_t last = (offset + (off_t)length - 1) / BLOCK;
    for (off_t block = offset / BLOCK; block <= last && block < MAX_BLOCKS; block++)
        __sync_fetch_and_or(&file->dirty[block >> 3], 1 << (block & 7));
}

static void copy_block(struct tracked *file, unsigned block, int from, int to) {
    char buffer[BLOCK];
    __sync_fetch_and_and(&file->dirty[block >> 3], (unsigned char)~(1 << (block & 7)));
    ssize_t n = real_pread(from, buffer, BLOCK, (off_t)block * BLOCK);
    if (n > 0 && real_pwrite(to, buffer, n, (off_t)block * BLOCK) != n) abort(); /* the durable copy must not lie */
}

/* Bring the durable copy up to the file. The file may be open for writing only, so it is opened again for reading. */
static void flush(int fd, struct tracked *file) {
    char path[PATH_MAX + MAX_REL], self[64];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", shadow, file->rel);
    make_parents(path);
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    int to = real_open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    int from = real_open(self, O_RDONLY | O_CLOEXEC);
    if (to >= 0 && from >= 0) {
        for (unsigned byte = 0; byte < MAX_BLOCKS / 8; byte++)
            for (unsigned bit = 0; file->dirty[byte] && bit < 8; bit++)
                if (file->dirty[byte] & (1 << bit)) copy_block(file, byte * 8 + bit, from, to);
        if (fstat(fd, &st) || real_ftruncate(to, st.st_size)) abort();
    }
    if (from >= 0) real_close(from);
    if (to >= 0) real_close(to);
}

/* Whether the error in this cell of the control page is for this file; SPARE_LOG keeps it from SQLite's -wal files, so that
 * commits work and checkpoints fail. Sets errno. */
static int fails(struct tracked *file, int cell) {
    size_t n = file ? strlen(file->rel) : 0;
    if (!file || !control || !control[cell]) return 0;
    if (control[SPARE_LOG] && n > 4 && !strcmp(file->rel + n - 4, "-wal")) return 0;
    errno = control[cell];
    return 1;
}

static int write_fails(struct tracked *file) { return fails(file, WRITE_ERRNO); }

/* After a failed sync Linux counts the pages as clean, though they never reached the disk: no later sync writes them. */
static void lose(struct tracked *file) {
    for (unsigned byte = 0; byte < MAX_BLOCKS / 8; byte++)
        if (file->dirty[byte]) __sync_fetch_and_and(&file->dirty[byte], 0);
}

static ssize_t wrote(int fd, struct tracked *file, off_t offset, ssize_t n) {
    if (!file || n <= 0) return n;
    mark(file, offset, n);
    if (file->synchronous) flush(fd, file);
    return n;
}

/* write and writev have moved the file's position behind what they wrote. */
static ssize_t wrote_here(int fd, struct tracked *file, ssize_t n) {
    return file && n > 0 ? wrote(fd, file, lseek(fd, 0, SEEK_CUR) - n, n) : n;
}

static int sync_file(int fd, int (*real)(int)) {
    struct tracked *file = find(fd);
    if (!file) return real(fd);
    if (control) {
        __sync_fetch_and_add((int *)&control[FSYNC_COUNT], 1);
        if (control[FSYNC_DELAY_US] > 0) usleep(control[FSYNC_DELAY_US]);
    }
    if (fails(file, FSYNC_ERRNO)) {
        lose(file);
        return -1;
    }
    flush(fd, file); /* the real sync would only cost time: nothing here outlives the machine */
    return 0;
}

/* ---- what the program calls ---- */

static int open_tracked(const char *path, int flags, mode_t mode) {
    int fd = real_open(path, flags, mode);
    track(fd, path, flags);
    return fd;
}

static int openat_tracked(int dir, const char *path, int flags, mode_t mode) {
    int fd = real_openat(dir, path, flags, mode);
    if (dir == AT_FDCWD || path[0] == '/') track(fd, path, flags);
    return fd;
}

#define TAKE_MODE                            \
    mode_t mode = 0;                         \
    init();                                  \
    if (flags & (O_CREAT | __O_TMPFILE)) {   \
        va_list rest;                        \
        va_start(rest, flags);               \
        mode = va_arg(rest, int);            \
        va_end(rest);                        \
    }

int open(const char *path, int flags, ...) { TAKE_MODE return open_tracked(path, flags, mode); }
int open64(const char *path, int flags, ...) { TAKE_MODE return open_tracked(path, flags | O_LARGEFILE, mode); }
int openat(int dir, const char *path, int flags, ...) { TAKE_MODE return openat_tracked(dir, path, flags, mode); }
int openat64(int dir, const char *path, int flags, ...) { TAKE_MODE return openat_tracked(dir, path, flags | O_LARGEFILE, mode); }

int creat(const char *path, mode_t mode) {
    init();
    return open_tracked(path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

int close(int fd) {
    init();
    if (find(fd)) forget(swap(fd, 0));
    return real_close(fd);
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t offset) {
    init();
    struct tracked *file = find(fd);
    return write_fails(file) ? -1 : wrote(fd, file, offset, real_pwrite(fd, data, n, offset));
}

ssize_t pwrite64(int fd, const void *data, size_t n, off_t offset) { return pwrite(fd, data, n, offset); }

ssize_t write(int fd, const void *data, size_t n) {
    init();
    struct tracked *file = find(fd);
    return write_fails(file) ? -1 : wrote_here(fd, file, real_write(fd, data, n));
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    init();
    struct tracked *file = find(fd);
    return write_fails(file) ? -1 : wrote_here(fd, file, real_writev(fd, parts, count));
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
    init();
    struct tracked *file = find(fd);
    return write_fails(file) ? -1 : wrote(fd, file, offset, real_pwritev(fd, parts, count, offset));
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off_t offset) { return pwritev(fd, parts, count, offset); }

int ftruncate(int fd, off_t length) { /* the new size is durable at the next sync */
    init();
    return write_fails(find(fd)) ? -1 : real_ftruncate(fd, length);
}

int ftruncate64(int fd, off_t length) { return ftruncate(fd, length); }

int fsync(int fd) {
    init();
    return sync_file(fd, real_fsync);
}

int fdatasync(int fd) {
    init();
    return sync_file(fd, real_fdatasync);
}

int unlink(const char *path) {
    char rel[MAX_REL], other[PATH_MAX + MAX_REL];
    init();
    int result = real_unlink(path);
    if (!result && active && relative(path, rel)) {
        snprintf(other, sizeof other, "%s/%s", shadow, rel);
        real_unlink(other);
        dirty_path(rel, other, sizeof other);
        real_unlink(other);
    }
    return result;
}

int rename(const char *from, const char *to) {
    char rel_from[MAX_REL], rel_to[MAX_REL], a[PATH_MAX + MAX_REL], b[PATH_MAX + MAX_REL];
    init();
    int result = real_rename(from, to);
    if (!result && active && relative(from, rel_from) && relative(to, rel_to)) {
        snprintf(a, sizeof a, "%s/%s", shadow, rel_from);
        snprintf(b, sizeof b, "%s/%s", shadow, rel_to);
        real_rename(a, b);
        dirty_path(rel_from, a, sizeof a);
        dirty_path(rel_to, b, sizeof b);
        real_rename(a, b);
    }
    return result;
}

/* Two names of one file: what is durable of it is so under both, and so is what is not. */
int link(const char *from, const char *to) {
    char rel_from[MAX_REL], rel_to[MAX_REL], a[PATH_MAX + MAX_REL], b[PATH_MAX + MAX_REL];
    init();
    int result = real_link(from, to);
    if (!result && active && relative(from, rel_from) && relative(to, rel_to)) {
        snprintf(a, sizeof a, "%s/%s", shadow, rel_from);
        snprintf(b, sizeof b, "%s/%s", shadow, rel_to);
        (void)!real_link(a, b);
        dirty_path(rel_from, a, sizeof a);
        dirty_path(rel_to, b, sizeof b);
        (void)!real_link(a, b);
    }
    return result;
}

/* ---- the wall clock, which the harness may step; monotonic clocks stay true ---- */

int clock_gettime(clockid_t clock, struct timespec *t) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, t);
    if (!result && control && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) t->tv_sec += control[WALL_OFFSET_S];
    return result;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone) {
    struct timespec now;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now)) return -1;
    *t = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
    return 0;
}

time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}
