# Answers that a student may well give, and that must get no points. `en` and `ru`: a part of the message they must get.

# %% exercise="inverse" name="u_for_one_minus_u" en="have the right law" ru="закон у них верный"
def wave_height(u, s):
    return s * np.sqrt(-2 * np.log(np.maximum(u, 1e-300)))


# %% exercise="inverse" name="no_root" en="is the root there" ru="есть ли корень"
def wave_height(u, s):
    return -2 * s**2 * np.log(1 - u)


# %% exercise="inverse" name="s_divides" en="Does s multiply" ru="Умножено ли на s"
def wave_height(u, s):
    return np.sqrt(-2 * np.log(1 - u)) / s


# %% exercise="inverse" name="sign_lost" en="negative or not a number" ru="отрицательна или не число"
def wave_height(u, s):
    with np.errstate(invalid="ignore"):
        return s * np.sqrt(2 * np.log(1 - u))


# %% exercise="inverse" name="the_distribution_function_itself" en="F\(answer\)" ru="F\(ответ\)"
def wave_height(u, s):
    return 1 - np.exp(-(u**2) / (2 * s**2))


# %% exercise="bayes" name="no_shares" en="where is p\(y\)" ru="где p\(y\)"
def bayes(log_likelihood, shares):
    log_p = np.logaddexp.reduce(log_likelihood, axis=1)
    return np.exp(log_likelihood - log_p[:, None]), log_p


# %% exercise="bayes" name="exponent_too_early" en="does not fit" ru="не помещается"
def bayes(log_likelihood, shares):
    with np.errstate(all="ignore"):
        joint = np.exp(log_likelihood) * shares
        total = joint.sum(axis=1)
        return joint / total[:, None], np.log(total)


# %% exercise="bayes" name="over_the_images" en="one axis is the images" ru="одна ось"
def bayes(log_likelihood, shares):
    log_joint = log_likelihood + np.log(shares)
    log_p = np.logaddexp.reduce(log_joint, axis=1)
    return np.exp(log_joint - np.logaddexp.reduce(log_joint, axis=0)), log_p


# %% exercise="bayes" name="sum_of_logarithms" en="a sum of probabilities" ru="складываются вероятности"
def bayes(log_likelihood, shares):
    log_joint = log_likelihood + np.log(shares)
    log_p = np.logaddexp.reduce(log_joint, axis=1)
    return np.exp(log_joint - log_p[:, None]), log_joint.sum(axis=1)


# %% exercise="bayes" name="share_without_its_logarithm" en="the logarithm of the share" ru="логарифмом доли"
def bayes(log_likelihood, shares):
    log_joint = log_likelihood + shares
    log_p = np.logaddexp.reduce(log_joint, axis=1)
    return np.exp(log_joint - log_p[:, None]), log_p


# %% exercise="reject" name="u_up_to_k" en="between 0 and k q" ru="от 0 до k q"
def reject(p, q, k, proposals, rng):
    z = q.rvs(proposals, random_state=rng)
    if np.any(k * q.pdf(z) < p(z)):
        raise ValueError("k q < p")
    kept = rng.uniform(0, k, proposals) <= p(z)
    return z[kept], np.mean(kept)


# %% exercise="reject" name="the_other_ones_kept" en="(law of q|law of p)" ru="закон( не)? (q|p)"
def reject(p, q, k, proposals, rng):
    z = q.rvs(proposals, random_state=rng)
    if np.any(k * q.pdf(z) < p(z)):
        raise ValueError("k q < p")
    kept = rng.uniform(0, k * q.pdf(z)) > p(z)
    return z[kept], np.mean(kept)


# %% exercise="reject" name="no_alarm" en="raised no ValueError" ru="не подняли ValueError"
def reject(p, q, k, proposals, rng):
    z = q.rvs(proposals, random_state=rng)
    kept = rng.uniform(0, k * q.pdf(z)) <= p(z)
    return z[kept], np.mean(kept)


# %% exercise="reject" name="share_of_the_theory" en="say that the share" ru="говорите, что доля"
def reject(p, q, k, proposals, rng):
    z = q.rvs(proposals, random_state=rng)
    if np.any(k * q.pdf(z) < p(z)):
        raise ValueError("k q < p")
    kept = rng.uniform(0, k * q.pdf(z)) <= p(z)
    return z[kept], 1 / k + 0.01


# %% exercise="reject" name="one_u_for_all" en="(law of q|law of p)" ru="закон( не)? (q|p)"
def reject(p, q, k, proposals, rng):
    z = q.rvs(proposals, random_state=rng)
    if np.any(k * q.pdf(z) < p(z)):
        raise ValueError("k q < p")
    kept = 0.5 * k * q.pdf(z) <= p(z)
    return z[kept], np.mean(kept)


# %% exercise="prior-shift" name="old_shares_left_in" en="divide them out" ru="надо поделить"
def correct(p, old, new):
    weighted = p * new
    return weighted / weighted.sum(axis=1, keepdims=True)


# %% exercise="prior-shift" name="not_normalised" en="do not sum to 1" ru="не дают в сумме 1"
def correct(p, old, new):
    return p * new / old


# %% exercise="prior-shift" name="upside_down" en="wrong way round" ru="перепутаны"
def correct(p, old, new):
    with np.errstate(all="ignore"):
        weighted = p * old / new
        return np.nan_to_num(weighted / weighted.sum(axis=1, keepdims=True))


# %% exercise="prior-shift" name="in_place" en="has changed the array" ru="изменила массив"
def correct(p, old, new):
    p *= new / old
    p /= p.sum(axis=1, keepdims=True)
    return p


# %% exercise="prior-shift" name="difference_of_shares" en="it must be" ru="должно быть"
def correct(p, old, new):
    shifted = np.clip(p + new - old, 1e-6, None)
    return shifted / shifted.sum(axis=1, keepdims=True)


# %% exercise="evidence" name="noise_forgotten" en="the noise 1 / beta of the new target is not" ru="шум 1 / beta нового ответа нет"
def log_predictive(new_phi, new_t, phi, t, alpha, beta):
    S = np.linalg.inv(alpha * np.eye(len(new_phi)) + beta * phi.T @ phi)
    return stats.norm.logpdf(new_t, new_phi @ (beta * S @ phi.T @ t), np.sqrt(new_phi @ S @ new_phi))


# %% exercise="evidence" name="weights_taken_as_known" en="only the noise" ru="учтён только шум"
def log_predictive(new_phi, new_t, phi, t, alpha, beta):
    S = np.linalg.inv(alpha * np.eye(len(new_phi)) + beta * phi.T @ phi)
    return stats.norm.logpdf(new_t, new_phi @ (beta * S @ phi.T @ t), beta**-0.5)


# %% exercise="evidence" name="variance_for_deviation" en="you gave it a variance" ru="получила дисперсию"
def log_predictive(new_phi, new_t, phi, t, alpha, beta):
    S = np.linalg.inv(alpha * np.eye(len(new_phi)) + beta * phi.T @ phi)
    return stats.norm.logpdf(new_t, new_phi @ (beta * S @ phi.T @ t), 1 / beta + new_phi @ S @ new_phi)


# %% exercise="evidence" name="the_point_itself_among_the_rows" en="log_evidence: must be" ru="log_evidence: должно быть"
def log_predictive(new_phi, new_t, phi, t, alpha, beta):
    S = np.linalg.inv(alpha * np.eye(len(new_phi)) + beta * phi.T @ phi)
    variance = 1 / beta + new_phi @ S @ new_phi
    return stats.norm.logpdf(new_t, new_phi @ (beta * S @ phi.T @ t), np.sqrt(variance))


def log_evidence(phi, t, alpha, beta):
    return sum(log_predictive(phi[k], t[k], phi[: k + 1], t[: k + 1], alpha, beta) for k in range(len(t)))


# %% exercise="evidence" name="all_the_others_in_the_evidence" en="takes only those before it" ru="только по предыдущим"
def log_predictive(new_phi, new_t, phi, t, alpha, beta):
    S = np.linalg.inv(alpha * np.eye(len(new_phi)) + beta * phi.T @ phi)
    variance = 1 / beta + new_phi @ S @ new_phi
    return stats.norm.logpdf(new_t, new_phi @ (beta * S @ phi.T @ t), np.sqrt(variance))


def log_evidence(phi, t, alpha, beta):
    every = np.arange(len(t))
    return sum(log_predictive(phi[k], t[k], phi[every != k], t[every != k], alpha, beta) for k in every)


# %% exercise="evidence" name="sum_for_mean" en="this is the sum; the mean" ru="это сумма; нужно среднее"
def log_predictive(new_phi, new_t, phi, t, alpha, beta):
    S = np.linalg.inv(alpha * np.eye(len(new_phi)) + beta * phi.T @ phi)
    variance = 1 / beta + new_phi @ S @ new_phi
    return stats.norm.logpdf(new_t, new_phi @ (beta * S @ phi.T @ t), np.sqrt(variance))


def log_evidence(phi, t, alpha, beta):
    return sum(log_predictive(phi[k], t[k], phi[:k], t[:k], alpha, beta) for k in range(len(t)))


def leave_one_out(phi, t, alpha, beta):
    every = np.arange(len(t))
    return sum(log_predictive(phi[k], t[k], phi[every != k], t[every != k], alpha, beta) for k in every)


# %% exercise="evidence" name="nothing_left_out" en="Is the point itself left out" ru="Отложена ли сама точка"
def log_predictive(new_phi, new_t, phi, t, alpha, beta):
    S = np.linalg.inv(alpha * np.eye(len(new_phi)) + beta * phi.T @ phi)
    variance = 1 / beta + new_phi @ S @ new_phi
    return stats.norm.logpdf(new_t, new_phi @ (beta * S @ phi.T @ t), np.sqrt(variance))


def log_evidence(phi, t, alpha, beta):
    return sum(log_predictive(phi[k], t[k], phi[:k], t[:k], alpha, beta) for k in range(len(t)))


def leave_one_out(phi, t, alpha, beta):
    return np.mean([log_predictive(phi[k], t[k], phi, t, alpha, beta) for k in range(len(t))])
